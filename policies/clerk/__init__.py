"""The clerk: what becomes due by time alone, the count of use, and the sending of notices."""
