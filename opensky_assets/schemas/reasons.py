"""Why a record, or a whole object, is not in its table."""

from enum import StrEnum


class Reason(StrEnum):
    """Reasons of quarantine. The first group is said of one record, the second of a whole object.

    A record with several faults has the first of: control_character, encoding, open_quote, field_count, null_key,
    bad_icao24, unparsable (of the first such column of the contract), day_mismatch, outside_period. A contract can have
    words of its own for texts that do not match a pattern (`Column.pattern_reason`); they stand where bad_icao24 does.
    """

    FIELD_COUNT = "field_count"  # the line does not have as many fields as the header
    OPEN_QUOTE = "open_quote"  # a quote is not closed on its line, or stands inside an unquoted field's quoting
    ENCODING = "encoding"  # the line is not UTF-8
    CONTROL_CHARACTER = "control_character"  # NUL or another control character in the line
    LINE_TOO_LONG = "line_too_long"  # a line over MAX_LINE_BYTES
    UNPARSABLE = "unparsable"  # a value that is not of its column's type (`column` names it)
    NULL_KEY = "null_key"  # a column that must not be empty is (`column` names it)
    BAD_ICAO24 = "bad_icao24"  # not six hexadecimal digits
    UNEXPECTED_TEXT = "unexpected_text"  # a text that does not match the pattern of its column (tables of one's own)
    JUNK_ICAO24 = "junk_icao24"  # well formed, but a known placeholder (aircraft tables only)
    DAY_MISMATCH = "day_mismatch"  # a flight list's own `day` is not the UTC day of `lastseen`
    OUTSIDE_PERIOD = "outside_period"  # a day outside the period that the object's name gives, or outside the calendar
    BROKEN_RECORD = "broken_record"  # lines of an aircraft table that make no record

    DAMAGED_CONTAINER = "damaged_container"  # the gzip or tar does not unpack though the whole object arrived
    WRONG_HEADER = "wrong_header"  # a required column is missing
    EMPTY_OBJECT = "empty_object"  # no header at all
    OVER_QUARANTINE_LIMIT = "over_quarantine_limit"  # more records in quarantine than the limit allows
    UNREADABLE = "unreadable"  # the source did not give it whole, in several attempts
    FAILED = "failed"  # the ingest itself failed on it: please report
