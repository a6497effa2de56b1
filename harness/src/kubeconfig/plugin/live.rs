//! The output of a running plugin: its standard output kept, its error output shown as it comes.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;

use crate::secret::redact;

/// The pause after which an unfinished line is shown: a question waits for its answer on the same line.
const PAUSE: Duration = Duration::from_millis(300);

/// The maximum of each output that is kept.
const MOST: u64 = 4 << 20;

/// Waits for the end of the program, and returns its status and its standard output.
pub(super) async fn output(child: &mut Child, show: &mut (dyn FnMut(&str) + Send), said: &mut String) -> io::Result<(ExitStatus, Vec<u8>)> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let printed = async {
        let mut printed = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(MOST).read_to_end(&mut printed).await?;
        }
        io::Result::Ok(printed)
    };
    let shown = async {
        match stderr {
            Some(stderr) => shown(stderr, show, said).await,
            None => Ok(()),
        }
    };
    let (printed, (), status) = tokio::try_join!(printed, shown, child.wait())?;
    Ok((status, printed))
}

async fn shown(mut from: impl AsyncRead + Unpin, show: &mut (dyn FnMut(&str) + Send), said: &mut String) -> io::Result<()> {
    let mut pending: Vec<u8> = Vec::new();
    let mut tell = |bytes: &[u8]| {
        if bytes.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(bytes);
        show(&redact(&text));
        if (said.len() as u64) < MOST {
            said.push_str(&text);
        }
    };
    let mut buffer = [0; 4096];
    loop {
        match tokio::time::timeout(PAUSE, from.read(&mut buffer)).await {
            Ok(read) => {
                let count = read?;
                if count == 0 {
                    tell(&pending);
                    return Ok(());
                }
                pending.extend_from_slice(&buffer[..count]);
                if let Some(end) = pending.iter().rposition(|byte| *byte == b'\n') {
                    tell(&pending[..=end]);
                    pending.drain(..=end);
                }
            }
            Err(_) => {
                tell(&pending);
                pending.clear();
            }
        }
    }
}
