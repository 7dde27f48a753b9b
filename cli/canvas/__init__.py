"""Reading rows from Canvas: downloaded files of Canvas Data 2, its API, and the REST API."""
