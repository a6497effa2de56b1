//! Tests that need no server.

mod server_binaries;
