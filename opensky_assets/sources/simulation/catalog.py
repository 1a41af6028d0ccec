"""What the simulated world is made of: states of registry, airlines, aircraft types, busy airports.

Address blocks are those of ICAO Annex 10, volume III, chapter 9. Shares, speeds and ranges are round figures chosen
to give plausible traffic; they are no statistics.
"""

from __future__ import annotations

from typing import NamedTuple


class Airline(NamedTuple):
    icao: str
    iata: str
    name: str
    callsign: str


class Country(NamedTuple):
    """A state of registry. `block` and `size` are its transponder addresses, `share` its part of the fleet."""

    code: str
    block: int
    size: int
    prefix: str
    share: float
    airlines: tuple[Airline, ...]


class AircraftType(NamedTuple):
    """`speed` m/s in cruise, `ceiling` m, `shortest` and `longest` leg in km; `airline`: flown by airlines."""

    code: str
    manufacturer_icao: str
    manufacturer: str
    model: str
    icao_class: str
    speed: float
    ceiling: float
    shortest: float
    longest: float
    share: float
    airline: bool


COUNTRIES = (
    Country(
        "US",
        0xA00001,
        0xDF7C6,
        "N",
        26,
        (
            Airline("UAL", "UA", "United Airlines", "UNITED"),
            Airline("DAL", "DL", "Delta Air Lines", "DELTA"),
            Airline("AAL", "AA", "American Airlines", "AMERICAN"),
            Airline("SWA", "WN", "Southwest Airlines", "SOUTHWEST"),
            Airline("SKW", "OO", "SkyWest Airlines", "SKYWEST"),
        ),
    ),
    Country(
        "GB",
        0x400000,
        0x40000,
        "G-",
        6,
        (Airline("BAW", "BA", "British Airways", "SPEEDBIRD"), Airline("EZY", "U2", "easyJet", "EASY")),
    ),
    Country(
        "DE",
        0x3C0000,
        0x40000,
        "D-",
        6,
        (Airline("DLH", "LH", "Lufthansa", "LUFTHANSA"), Airline("EWG", "EW", "Eurowings", "EUROWINGS")),
    ),
    Country("FR", 0x380000, 0x40000, "F-", 5, (Airline("AFR", "AF", "Air France", "AIRFRANS"),)),
    Country(
        "ES",
        0x340000,
        0x40000,
        "EC-",
        4,
        (Airline("IBE", "IB", "Iberia", "IBERIA"), Airline("VLG", "VY", "Vueling", "VUELING")),
    ),
    Country("IT", 0x300000, 0x40000, "I-", 2, (Airline("ITY", "AZ", "ITA Airways", "ITARROW"),)),
    Country("NL", 0x480000, 0x8000, "PH-", 2, (Airline("KLM", "KL", "KLM", "KLM"),)),
    Country("TR", 0x4B8000, 0x8000, "TC-", 3, (Airline("THY", "TK", "Turkish Airlines", "TURKISH"),)),
    Country("IE", 0x4CA000, 0x1000, "EI-", 3, (Airline("RYR", "FR", "Ryanair", "RYANAIR"),)),
    Country(
        "CN",
        0x780000,
        0x40000,
        "B-",
        10,
        (
            Airline("CCA", "CA", "Air China", "AIR CHINA"),
            Airline("CES", "MU", "China Eastern", "CHINA EASTERN"),
            Airline("CSN", "CZ", "China Southern", "CHINA SOUTHERN"),
        ),
    ),
    Country(
        "JP",
        0x840000,
        0x40000,
        "JA",
        4,
        (Airline("ANA", "NH", "All Nippon Airways", "ALL NIPPON"), Airline("JAL", "JL", "Japan Airlines", "JAPANAIR")),
    ),
    Country("KR", 0x718000, 0x8000, "HL", 2, (Airline("KAL", "KE", "Korean Air", "KOREANAIR"),)),
    Country(
        "AU",
        0x7C0000,
        0x40000,
        "VH-",
        4,
        (Airline("QFA", "QF", "Qantas", "QANTAS"), Airline("VOZ", "VA", "Virgin Australia", "VELOCITY")),
    ),
    Country("IN", 0x800000, 0x40000, "VT-", 4, (Airline("IGO", "6E", "IndiGo", "IFLY"),)),
    Country(
        "BR",
        0xE40000,
        0x40000,
        "PR-",
        3,
        (Airline("TAM", "JJ", "LATAM Brasil", "TAM"), Airline("AZU", "AD", "Azul", "AZUL")),
    ),
    Country("CA", 0xC00000, 0x40000, "C-F", 4, (Airline("ACA", "AC", "Air Canada", "AIR CANADA"),)),
    Country("AE", 0x896000, 0x1000, "A6-", 2, (Airline("UAE", "EK", "Emirates", "EMIRATES"),)),
    Country("QA", 0x06A000, 0x400, "A7-", 1, (Airline("QTR", "QR", "Qatar Airways", "QATARI"),)),
    Country("ZA", 0x008000, 0x8000, "ZS-", 1, (Airline("SFR", "FA", "FlySafair", "CARGO"),)),
    Country("MX", 0x0D0000, 0x8000, "XA-", 2, (Airline("AMX", "AM", "Aeromexico", "AEROMEXICO"),)),
    Country("SG", 0x768000, 0x8000, "9V-", 1, (Airline("SIA", "SQ", "Singapore Airlines", "SINGAPORE"),)),
    Country("SE", 0x4A8000, 0x8000, "SE-", 1, (Airline("SAS", "SK", "SAS", "SCANDINAVIAN"),)),
    Country("CH", 0x4B0000, 0x8000, "HB-", 2, (Airline("SWR", "LX", "Swiss", "SWISS"),)),
    Country("MY", 0x750000, 0x8000, "9M-", 2, (Airline("AXM", "AK", "AirAsia", "RED CAP"),)),
)

TYPES = (
    AircraftType("A320", "AIRBUS", "Airbus", "A320 214", "L2J", 230, 11300, 250, 4500, 16, True),
    AircraftType("A20N", "AIRBUS", "Airbus", "A320 251N", "L2J", 230, 11600, 250, 5000, 10, True),
    AircraftType("A319", "AIRBUS", "Airbus", "A319 112", "L2J", 228, 11300, 200, 4000, 6, True),
    AircraftType("A321", "AIRBUS", "Airbus", "A321 231", "L2J", 231, 11000, 300, 4800, 8, True),
    AircraftType("B738", "BOEING", "Boeing", "737-800", "L2J", 231, 11600, 250, 4800, 18, True),
    AircraftType("B38M", "BOEING", "Boeing", "737 MAX 8", "L2J", 232, 11900, 250, 5200, 6, True),
    AircraftType("B737", "BOEING", "Boeing", "737-700", "L2J", 229, 11600, 200, 4000, 4, True),
    AircraftType("E190", "EMBRAER", "Embraer", "ERJ 190-100", "L2J", 225, 11000, 200, 2500, 5, True),
    AircraftType("E75L", "EMBRAER", "Embraer", "ERJ 170-200", "L2J", 222, 10700, 150, 2200, 5, True),
    AircraftType("CRJ9", "BOMBARDIER", "Bombardier", "CL-600-2D24", "L2J", 220, 10700, 150, 1900, 3, True),
    AircraftType("AT76", "ATR", "ATR", "ATR 72-600", "L2T", 140, 6700, 120, 800, 4, True),
    AircraftType("DH8D", "DE HAVILLAND", "De Havilland Canada", "DHC-8-402", "L2T", 180, 7300, 120, 1000, 2, True),
    AircraftType("A333", "AIRBUS", "Airbus", "A330-343", "L2J", 242, 12000, 1500, 9500, 3, True),
    AircraftType("A359", "AIRBUS", "Airbus", "A350-941", "L2J", 250, 12500, 3500, 13000, 3, True),
    AircraftType("B77W", "BOEING", "Boeing", "777-300ER", "L2J", 251, 11900, 3500, 13500, 4, True),
    AircraftType("B789", "BOEING", "Boeing", "787-9", "L2J", 250, 12500, 3000, 13500, 3, True),
    AircraftType("C172", "CESSNA", "Cessna", "172S", "L1P", 57, 1800, 120, 400, 40, False),
    AircraftType("PC12", "PILATUS", "Pilatus", "PC-12/47E", "L1T", 135, 8000, 150, 1500, 20, False),
    AircraftType("BE20", "BEECH", "Beechcraft", "King Air B200", "L2T", 140, 8500, 150, 1500, 15, False),
    AircraftType("C56X", "CESSNA", "Cessna", "Citation Excel", "L2J", 210, 13100, 250, 2800, 25, False),
)

HUBS = (
    "ATL DFW DEN ORD LAX IST LHR CDG DXB AMS FRA MAD CLT LAS PHX MCO MIA SEA JFK EWR SFO IAH CAN PVG PEK HND DEL BCN "
    "FCO MUC LGW ORY BOS MSP DTW FLL PHL LGA BWI SLC SAN IAD TPA DCA BNA AUS MDW HKG SIN ICN NRT BKK KUL CGK BOM BLR "
    "HYD SZX CTU KMG XIY SHA HGH CKG TPE MNL SGN HAN KIX ITM CTS FUK SYD MEL BNE PER AKL DOH AUH JED RUH SAW AYT ESB "
    "ATH LIS DUB MAN STN PMI VIE ZRH CPH OSL ARN HEL BRU DUS HAM BER CGN STR MXP NAP VCE AGP ALC OPO WAW PRG BUD OTP "
    "GVA NCE LYS TLS YYZ YVR YUL YYC YEG MEX CUN GDL MTY BOG LIM SCL EZE GRU CGH BSB GIG CNF VCP PTY CAI CMN JNB CPT "
    "DUR ADD NBO LOS ALG TUN TLV AMM KWI BAH MCT KHI LHE DAC CMB KTM MLE DPS SUB CEB KNO PNH HNL ANC PDX OAK SMF SJC "
    "RDU STL MCI CLE PIT IND CMH CVG JAX RSW MSY SAT HOU DAL ABQ BUF BUR ONT SNA GOT BGO TRD BLL EDI GLA BHX BRS NTE"
)
"""IATA codes of busy airports, roughly from the busiest down (by memory of the early 2020s, no statistic)."""

SPECIAL_ICAO24 = ("86e844", "000123", "400612", "7104e1")
"""Addresses that a careless reader takes for numbers: scientific notation, leading zeros, digits only."""
