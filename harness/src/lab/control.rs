//! How another process asks the owner of a lab for more: a line of JSON each way, on loopback, for who knows the word in `lab.json`.

use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::LabError;
use super::description::ControlDescription;
use crate::cause::with_causes;
use crate::cluster::ApiServer;
use crate::secret::Secret;

/// How long an API server may take.
const START_LIMIT: Duration = Duration::from_secs(90);

/// How long a word that starts nothing may take.
const WORD_LIMIT: Duration = Duration::from_secs(5);

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    word: Secret,
    #[serde(flatten)]
    wanted: Wanted,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    /// The API server with this setting.
    ApiServer(String),
    /// The end of the lab.
    End {},
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    ApiServer(Box<ApiServer>),
    Ending,
    Refused(String),
}

/// Asks the owner of a lab.
#[derive(Clone, Debug)]
pub(super) struct Client(pub(super) ControlDescription);

impl Client {
    /// The API server with the setting `name`, started when it does not run yet.
    pub(super) async fn api_server(&self, name: &str) -> Result<ApiServer, LabError> {
        match self.ask(Wanted::ApiServer(name.to_owned()), START_LIMIT).await? {
            Reply::ApiServer(server) => Ok(*server),
            Reply::Refused(why) => Err(LabError::Refused(why)),
            Reply::Ending => Err(LabError::Ended),
        }
    }

    /// Asks the owner to end the lab, and returns when it has begun to.
    pub(super) async fn end(&self) -> Result<(), LabError> {
        match self.ask(Wanted::End {}, WORD_LIMIT).await? {
            Reply::Ending => Ok(()),
            Reply::Refused(why) => Err(LabError::Refused(why)),
            Reply::ApiServer(_) => Err(LabError::Refused("another answer than was asked for".to_owned())),
        }
    }

    async fn ask(&self, wanted: Wanted, limit: Duration) -> Result<Reply, LabError> {
        let asked = tokio::time::timeout(limit, async {
            let mut stream = BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, self.0.port)).await?);
            let word = self.0.word.clone();
            stream.write_all(line(&Request { word, wanted }).as_bytes()).await?;
            let mut answer = String::new();
            stream.read_line(&mut answer).await?;
            Ok(serde_json::from_str(&answer)?)
        });
        asked
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(LabError::Control)
    }
}

/// Listens for who asks, and lets `answer` answer, until dropped.
#[derive(Debug)]
pub(super) struct Server {
    description: ControlDescription,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Listens on a free port. `end` is notified when the end of the lab is asked for.
    pub(super) async fn start<F>(answer: impl Fn(String) -> F + Clone + Send + Sync + 'static, end: Arc<Notify>) -> std::io::Result<Self>
    where
        F: Future<Output = Result<ApiServer, LabError>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut word = [0_u8; 24];
        rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut word);
        let description = ControlDescription {
            port: listener.local_addr()?.port(),
            word: Secret::new(hex::encode(word)),
        };
        let known = description.word.clone();
        let accepting = tokio::spawn(async move {
            // Dropped with the listener: whoever still waits then waits for a lab that ends.
            let mut conversations = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    Some(_) = conversations.join_next() => {}
                    Ok((stream, _)) = listener.accept() => {
                        let (known, answer, end) = (known.clone(), answer.clone(), Arc::clone(&end));
                        // Who hangs up early gets no answer, and needs none.
                        conversations.spawn(async move { serve(stream, &known, answer, &end).await.ok() });
                    }
                    else => break,
                }
            }
        });
        Ok(Self { description, accepting })
    }

    /// How to ask it.
    pub(super) fn description(&self) -> &ControlDescription {
        &self.description
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve<F>(stream: TcpStream, known: &Secret, answer: impl Fn(String) -> F, end: &Notify) -> std::io::Result<()>
where
    F: Future<Output = Result<ApiServer, LabError>>,
{
    let mut stream = BufReader::new(stream);
    let mut text = String::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_line(&mut text)).await??;
    let wanted = serde_json::from_str::<Request>(&text).ok().filter(|request| request.word == *known);
    let reply = match wanted.map(|request| request.wanted) {
        Some(Wanted::ApiServer(name)) => match answer(name).await {
            Ok(server) => Reply::ApiServer(Box::new(server)),
            Err(error) => Reply::Refused(with_causes(&error)),
        },
        Some(Wanted::End {}) => {
            // Told first: with the lab, this conversation ends.
            let told = stream.write_all(line(&Reply::Ending).as_bytes()).await;
            end.notify_one();
            return told;
        }
        None => Reply::Refused("the request is not one, or does not know the word".to_owned()),
    };
    stream.write_all(line(&reply).as_bytes()).await
}

fn line(value: &impl Serialize) -> String {
    format!("{}\n", serde_json::to_string(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_is_asked_for_by_who_knows_the_word() {
        let end = Arc::new(Notify::new());
        let answer = |_| std::future::ready(Err(LabError::Ended));
        let server = Server::start(answer, Arc::clone(&end)).await.expect("a free port");
        let knowing = server.description().clone();
        let guessing = ControlDescription {
            word: Secret::new("guessed"),
            ..knowing.clone()
        };
        let refused = Client(guessing).end().await.expect_err("the word is wrong");
        assert!(matches!(refused, LabError::Refused(_)), "{refused}");
        Client(knowing).end().await.expect("the word is right");
        // One notification is kept; the guess left none.
        end.notified().await;
        assert!(futures::FutureExt::now_or_never(end.notified()).is_none());
    }

    #[test]
    fn a_request_for_an_api_server_has_the_form_that_it_always_had() {
        let wanted = Wanted::ApiServer("tokens".to_owned());
        let text = line(&Request {
            word: Secret::new("w"),
            wanted,
        });
        assert_eq!(text, "{\"word\":\"w\",\"api_server\":\"tokens\"}\n");
    }
}
