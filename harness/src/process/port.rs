//! Free ports on the loopback interface.

use std::net::{Ipv4Addr, TcpListener};

/// Returns a port that was free a moment ago. Programs that can listen on port 0 and
/// report their port should do that instead; a caller of this must retry if another
/// process has taken the port in the meantime.
///
/// # Errors
/// The loopback interface has no free port, or does not exist.
pub fn free() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
