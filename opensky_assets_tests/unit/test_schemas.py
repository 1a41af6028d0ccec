"""The contracts hold together: columns, keys, days, reasons."""

import pyarrow as pa
import pytest

from opensky_assets import schemas
from opensky_assets.schemas import FLIGHTS, QUARANTINE, STATE_VECTORS, Contract, Reason
from opensky_assets.schemas.contract import FALSE_TEXTS, NULL_TEXTS, TRUE_TEXTS
from opensky_assets.schemas.tables import marts

MARTS = [mart.contract for mart in marts()]
CONTRACTS = {c.name: c for c in (*(v for v in vars(schemas).values() if isinstance(v, Contract)), *MARTS)}


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_contract_holds_together(contract):
    names = [column.name for column in contract.columns]
    assert len(set(names)) == len(names)
    assert set(contract.key) <= set(names)
    assert contract.day_column is None or pa.types.is_timestamp(contract.by_name[contract.day_column].type)
    assert contract.schema.names == names and "day" not in names, "the day is in the path only"
    assert contract.description.endswith(".") and contract.version
    assert not set(names) & {column.name for column in contract.source_only}
    for column in contract.columns:
        assert column.description and column.name == column.name.lower().strip()
        assert column.minimum is None or column.maximum is None or column.minimum < column.maximum
        assert column.pattern is None or pa.types.is_string(column.type)
        if pa.types.is_timestamp(column.type) and column.type.tz:
            assert (column.type.tz, column.type.unit) == ("UTC", "us")


def test_opensky_s_names_are_kept():
    flights = "callsign number icao24 registration typecode origin destination firstseen lastseen "
    flights += "latitude_1 longitude_1 altitude_1 latitude_2 longitude_2 altitude_2"
    states = (
        "time icao24 lat lon velocity heading vertrate callsign onground alert spi squawk baroaltitude geoaltitude "
    )
    states += "lastposupdate lastcontact"
    assert " ".join(FLIGHTS.schema.names) == flights
    assert " ".join(STATE_VECTORS.schema.names[:16]) == states
    assert {"origin_country", "category", "position_source"} < set(STATE_VECTORS.schema.names)


def test_what_must_be_there_is_required():
    assert set(FLIGHTS.required) == {"icao24", "lastseen"}
    assert set(STATE_VECTORS.required) == {"icao24", "time"}
    assert not QUARANTINE.schema.field("reason").nullable


def test_ids_and_codes_are_text():
    for contract, name in ((FLIGHTS, "icao24"), (STATE_VECTORS, "icao24"), (STATE_VECTORS, "squawk")):
        assert contract.schema.field(name).type == pa.string()


def test_spellings_do_not_contradict_each_other():
    assert not {*NULL_TEXTS} & {*TRUE_TEXTS, *FALSE_TEXTS}
    assert not {*TRUE_TEXTS} & {*FALSE_TEXTS}


def test_reasons_are_words_that_stand_for_themselves():
    assert all(reason.value == reason.name.lower() == str(reason) for reason in Reason)
