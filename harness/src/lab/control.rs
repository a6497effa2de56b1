//! How another process asks the owner of a lab for more: a line of JSON each way, on loopback, for who knows the word in `lab.json`.

use std::future::Future;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::LabError;
use super::description::ControlDescription;
use crate::cause::with_causes;
use crate::cluster::ApiServer;
use crate::secret::Secret;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    word: Secret,
    api_server: String,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    ApiServer(Box<ApiServer>),
    Refused(String),
}

/// Asks the owner of a lab.
#[derive(Clone, Debug)]
pub(super) struct Client(pub(super) ControlDescription);

impl Client {
    /// The API server with the setting `name`, started when it does not run yet.
    pub(super) async fn api_server(&self, name: &str) -> Result<ApiServer, LabError> {
        let asked = tokio::time::timeout(Duration::from_secs(90), self.ask(name)).await;
        match asked
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(LabError::Control)?
        {
            Reply::ApiServer(server) => Ok(*server),
            Reply::Refused(why) => Err(LabError::Refused(why)),
        }
    }

    async fn ask(&self, name: &str) -> std::io::Result<Reply> {
        let mut stream = BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, self.0.port)).await?);
        let request = Request {
            word: self.0.word.clone(),
            api_server: name.to_owned(),
        };
        stream.write_all(line(&request).as_bytes()).await?;
        let mut answer = String::new();
        stream.read_line(&mut answer).await?;
        Ok(serde_json::from_str(&answer)?)
    }
}

/// Listens for who asks, and lets `answer` answer, until dropped.
#[derive(Debug)]
pub(super) struct Server {
    description: ControlDescription,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Listens on a free port.
    pub(super) async fn start<F>(answer: impl Fn(String) -> F + Clone + Send + Sync + 'static) -> std::io::Result<Self>
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
                        let (known, answer) = (known.clone(), answer.clone());
                        // Who hangs up early gets no answer, and needs none.
                        conversations.spawn(async move { serve(stream, &known, answer).await.ok() });
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

async fn serve<F>(stream: TcpStream, known: &Secret, answer: impl Fn(String) -> F) -> std::io::Result<()>
where
    F: Future<Output = Result<ApiServer, LabError>>,
{
    let mut stream = BufReader::new(stream);
    let mut text = String::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_line(&mut text)).await??;
    let reply = match serde_json::from_str::<Request>(&text) {
        Ok(request) if request.word == *known => match answer(request.api_server).await {
            Ok(server) => Reply::ApiServer(Box::new(server)),
            Err(error) => Reply::Refused(with_causes(&error)),
        },
        _ => Reply::Refused("the request is not one, or does not know the word".to_owned()),
    };
    stream.write_all(line(&reply).as_bytes()).await
}

fn line(value: &impl Serialize) -> String {
    format!("{}\n", serde_json::to_string(value).unwrap_or_default())
}
