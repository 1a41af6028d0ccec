"""What OpenSky's API calls the columns of the contracts. An array of `/states/all` holds them in this order."""

STATES_API: dict[str, str | None] = {
    "icao24": "icao24",
    "callsign": "callsign",
    "origin_country": "origin_country",
    "time_position": "lastposupdate",
    "last_contact": "lastcontact",
    "longitude": "lon",
    "latitude": "lat",
    "baro_altitude": "baroaltitude",
    "on_ground": "onground",
    "velocity": "velocity",
    "true_track": "heading",
    "vertical_rate": "vertrate",
    "sensors": None,
    "geo_altitude": "geoaltitude",
    "squawk": "squawk",
    "spi": "spi",
    "position_source": "position_source",
    "category": "category",
}
"""Field of a state → column; `None` where the contract has none."""

STATE_LENGTHS = (13, 17, 18)
"""How many fields an array has: 13 until 2017, 18 with `extended=1`."""

FLIGHTS_API: dict[str, str | None] = {
    "icao24": "icao24",
    "firstSeen": "firstseen",
    "estDepartureAirport": "origin",
    "lastSeen": "lastseen",
    "estArrivalAirport": "destination",
    "callsign": "callsign",
    "estDepartureAirportHorizDistance": None,
    "estDepartureAirportVertDistance": None,
    "estArrivalAirportHorizDistance": None,
    "estArrivalAirportVertDistance": None,
    "departureAirportCandidatesCount": None,
    "arrivalAirportCandidatesCount": None,
}
"""Field of a flight → column."""

API_FIELDS = {"state_vectors": STATES_API, "flights": FLIGHTS_API}
