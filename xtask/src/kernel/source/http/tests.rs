//! Tests of downloading, against a local server.
