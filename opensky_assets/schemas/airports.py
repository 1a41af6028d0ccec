"""The airport reference, from the package `airportsdata`."""

import pyarrow as pa

from opensky_assets.schemas.contract import Column, Contract

AIRPORTS = Contract(
    name="airports",
    path="reference/airports.parquet",
    version="1",
    description="Airports of the world by ICAO (or local) code, from the package airportsdata (MIT).",
    key=("icao",),
    columns=(
        Column("icao", pa.string(), "ICAO code, else the local one", nullable=False),
        Column("iata", pa.string(), "IATA code"),
        Column("name", pa.string(), "Name"),
        Column("city", pa.string(), "City"),
        Column("subdivision", pa.string(), "State, province or region"),
        Column("country", pa.string(), "ISO 3166-1 alpha-2 code of the country"),
        Column("elevation_m", pa.float64(), "Elevation above mean sea level", unit="m"),
        Column("lat", pa.float64(), "Latitude, WGS84", unit="degrees"),
        Column("lon", pa.float64(), "Longitude, WGS84", unit="degrees"),
        Column("timezone", pa.string(), "IANA time zone"),
    ),
)
