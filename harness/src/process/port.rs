//! Free ports on the loopback interface.

use std::net::{Ipv4Addr, TcpListener};

/// A port that was free a moment ago. Programs that can listen on port 0 and tell
/// what they got should do that instead; who uses this must retry when the port
/// was taken meanwhile.
///
/// # Errors
/// The loopback interface has no free port, or is not there.
pub fn free() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
