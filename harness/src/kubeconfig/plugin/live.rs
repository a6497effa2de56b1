//! The output of a running plugin: its standard output kept, its error output shown as it comes. The main function is [`output`].

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;

use crate::secret::redact;

/// The pause after which an unfinished line is shown: a question waits for its answer on the same line.
const PAUSE: Duration = Duration::from_millis(300);

/// The time for the rest of the error output after the end: a process in the background may hold it open, and kubectl does not wait for that.
const REST: Duration = Duration::from_millis(200);

/// The maximum of each output that is kept.
const MOST: u64 = 4 << 20;

/// The longest part of a line that is shown at once.
const LONGEST: usize = 64 << 10;

/// Waits for the end of the program and of its standard output, as kubectl does (Go's `exec.Cmd` with a buffer for the output and the
/// terminal for the errors), and returns its status and its standard output.
pub(super) async fn output(child: &mut Child, show: &mut (dyn FnMut(&str) + Send), said: &mut String) -> io::Result<(ExitStatus, Vec<u8>)> {
    let (stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let printed = async {
        let mut printed = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(MOST).read_to_end(&mut printed).await?;
        }
        io::Result::Ok(printed)
    };
    let ended = async { tokio::try_join!(child.wait(), printed) };
    let mut shown = Shown {
        show,
        said,
        pending: Vec::new(),
        is_skipping: false,
    };
    let ended = {
        let told = async {
            match &mut stderr {
                Some(stderr) => shown.follow(stderr).await,
                None => Ok(()),
            }
        };
        tokio::pin!(ended, told);
        tokio::select! {
            ended = &mut ended => {
                if let Ok(told) = tokio::time::timeout(REST, told).await {
                    told?;
                }
                ended
            }
            told = &mut told => {
                told?;
                ended.await
            }
        }
    };
    shown.flush();
    ended
}

/// The error output on its way to the user.
struct Shown<'a> {
    show: &'a mut (dyn FnMut(&str) + Send),
    /// Everything that was shown, not redacted.
    said: &'a mut String,
    /// The beginning of a line.
    pending: Vec<u8>,
    /// `true` in a word that is too long to be shown.
    is_skipping: bool,
}

impl Shown<'_> {
    /// Shows what comes, up to the end. Nothing is lost if this is dropped before.
    async fn follow(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            match tokio::time::timeout(PAUSE, from.read(&mut buffer)).await {
                Ok(Ok(0)) => return Ok(()),
                Ok(read) => self.take(&buffer[..read?]),
                Err(_) => self.flush(),
            }
        }
    }

    fn take(&mut self, mut bytes: &[u8]) {
        if self.is_skipping {
            let Some(end) = bytes.iter().position(u8::is_ascii_whitespace) else {
                return;
            };
            (bytes, self.is_skipping) = (&bytes[end..], false);
        }
        let known = self.pending.len();
        self.pending.extend_from_slice(bytes);
        let end = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => Some(known + end),
            None if self.pending.len() <= LONGEST => None,
            None => match self.pending.iter().rposition(u8::is_ascii_whitespace) {
                // A word is not cut, since it may be a secret.
                None => {
                    self.pending.clear();
                    self.is_skipping = true;
                    return self.tell("…".as_bytes());
                }
                end => end,
            },
        };
        if let Some(end) = end {
            let rest = self.pending.split_off(end + 1);
            let whole = std::mem::replace(&mut self.pending, rest);
            self.tell(&whole);
        }
    }

    /// Shows what is pending.
    fn flush(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.tell(&pending);
    }

    fn tell(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(bytes);
        (self.show)(&redact(&text));
        if (self.said.len() as u64) < MOST {
            self.said.push_str(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_shown_in_parts_and_a_long_word_is_not_cut() {
        let (mut heard, mut said) = (Vec::new(), String::new());
        let mut show = |text: &str| heard.push(text.to_owned());
        let mut shown = Shown {
            show: &mut show,
            said: &mut said,
            pending: Vec::new(),
            is_skipping: false,
        };
        let text = format!("{} end\n{}", "x".repeat(1_000_000), "word ".repeat(100_000));
        text.as_bytes().chunks(4096).for_each(|bytes| shown.take(bytes));
        shown.flush();
        assert_eq!(said, format!("… end\n{}", "word ".repeat(100_000)));
        assert!(
            heard.len() > 5 && heard.iter().all(|text| text.len() < LONGEST + 8192),
            "{}",
            heard.len()
        );
        assert_eq!(heard.concat(), said);
    }
}
