//! The control port, by which other processes send requests to a lab's owner: one line of JSON each way, on loopback, for callers
//! that know the word in `lab.json`.

use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::description::ControlDescription;
use super::{Call, LabError, WantedCalls};
use crate::cause::with_causes;
use crate::cluster::ApiServer;
use crate::listener::{Accepted, Listener, Listening};
use crate::secret::Secret;

/// The time that starting an API server may take.
const START_LIMIT: Duration = Duration::from_secs(90);

/// The time that a request which starts nothing may take.
const WORD_LIMIT: Duration = Duration::from_secs(5);

/// The maximum length of a line, in bytes, either way.
const LONGEST_LINE: u64 = 64 * 1024;

/// The time that a request may take to arrive.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);

/// A request to the owner.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    word: Secret,
    #[serde(flatten)]
    wanted: Wanted,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    /// Requests the API server with this setting.
    ApiServer(String),
    /// Announces a run with this id: no API server ends while the connection lasts.
    Run(String),
    /// Requests the calls of API servers to the lab's own servers.
    Calls(WantedCalls),
    /// Requests the end of the lab.
    End {},
}

/// The owner's response.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    ApiServer(Box<ApiServer>),
    UnderWay,
    Calls(Vec<Call>),
    Ending,
    Refused(String),
    ServerExit(String),
}

/// A client of a lab's owner.
#[derive(Clone, Debug)]
pub(super) struct Client(pub(super) ControlDescription);

impl Client {
    /// Returns the API server with the setting `name`, which is started if it does not run yet.
    pub(super) async fn api_server(&self, name: &str) -> Result<ApiServer, LabError> {
        match self.ask(Wanted::ApiServer(name.to_owned()), START_LIMIT).await? {
            Reply::ApiServer(server) => Ok(*server),
            Reply::Refused(why) => Err(LabError::Refused(why)),
            Reply::ServerExit(why) => Err(LabError::ServerExit(why)),
            Reply::Ending => Err(LabError::Ended),
            Reply::UnderWay | Reply::Calls(_) => Err(another_answer()),
        }
    }

    /// Returns the calls that `wanted` names.
    pub(super) async fn calls(&self, wanted: WantedCalls) -> Result<Vec<Call>, LabError> {
        match self.ask(Wanted::Calls(wanted), WORD_LIMIT).await? {
            Reply::Calls(calls) => Ok(calls),
            Reply::Refused(why) => Err(LabError::Refused(why)),
            Reply::Ending => Err(LabError::Ended),
            Reply::ApiServer(_) | Reply::UnderWay | Reply::ServerExit(_) => Err(another_answer()),
        }
    }

    /// Announces that the run `run` begins.
    pub(super) async fn begin_run(&self, run: &str) -> Result<UnderWay, LabError> {
        match self.talk(Wanted::Run(run.to_owned()), WORD_LIMIT).await? {
            (Reply::UnderWay, stream) => Ok(UnderWay { _connection: stream }),
            (Reply::Refused(why), _) => Err(LabError::Refused(why)),
            (Reply::Ending, _) => Err(LabError::Ended),
            (Reply::ApiServer(_) | Reply::Calls(_) | Reply::ServerExit(_), _) => Err(another_answer()),
        }
    }

    /// Asks the owner to end the lab, and returns once it has begun to.
    pub(super) async fn end(&self) -> Result<(), LabError> {
        match self.ask(Wanted::End {}, WORD_LIMIT).await? {
            Reply::Ending => Ok(()),
            Reply::Refused(why) => Err(LabError::Refused(why)),
            Reply::ApiServer(_) | Reply::UnderWay | Reply::Calls(_) | Reply::ServerExit(_) => Err(another_answer()),
        }
    }

    async fn ask(&self, wanted: Wanted, limit: Duration) -> Result<Reply, LabError> {
        self.talk(wanted, limit).await.map(|(reply, _)| reply)
    }

    /// Sends a request, and returns the response and its connection.
    async fn talk(&self, wanted: Wanted, limit: Duration) -> Result<(Reply, TcpStream), LabError> {
        let asked = tokio::time::timeout(limit, async {
            let mut stream = BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, self.0.port)).await?);
            let word = self.0.word.clone();
            stream.write_all(line(&Request { word, wanted }).as_bytes()).await?;
            let mut answer = String::new();
            (&mut stream).take(LONGEST_LINE).read_line(&mut answer).await?;
            Ok((serde_json::from_str(&answer)?, stream.into_inner()))
        });
        asked
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(LabError::Control)
    }
}

/// A run that is registered with the owner of a lab, until dropped.
#[derive(Debug)]
pub struct UnderWay {
    _connection: TcpStream,
}

fn another_answer() -> LabError {
    LabError::Refused("an answer to another request".to_owned())
}

/// The part of the owner that handles requests.
pub(super) trait Answers: Clone + Send + Sync + 'static {
    /// A guard, dropped when a run is over.
    type UnderWay: Send;

    /// Returns the API server with the setting `name`.
    fn api_server(&self, name: String) -> impl Future<Output = Result<ApiServer, LabError>> + Send;

    /// Returns the calls that `wanted` names.
    fn calls(&self, wanted: WantedCalls) -> impl Future<Output = Vec<Call>> + Send;

    /// Registers a run that begins.
    fn begins(&self, run: String) -> Self::UnderWay;
}

/// A listener that accepts requests and passes them to a handler, until dropped.
#[derive(Debug)]
pub(super) struct Server {
    description: ControlDescription,
    _listening: Listening,
}

impl Server {
    /// Listens on a free port. `end` is notified when a caller requests the end of the lab.
    pub(super) async fn start(answers: impl Answers, end: Arc<Notify>) -> std::io::Result<Self> {
        let listener = Listener::bind(Ipv4Addr::LOCALHOST).await?;
        let mut word = [0_u8; 24];
        rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut word);
        let description = ControlDescription {
            port: listener.address().port(),
            word: Secret::new(hex::encode(word)),
        };
        let known = description.word.clone();
        let listening = listener.accept(move |accepted| {
            let (known, answers, end) = (known.clone(), answers.clone(), Arc::clone(&end));
            // A caller that hangs up early needs no response.
            async move { drop(serve(accepted, &known, answers, &end).await) }
        });
        Ok(Self {
            description,
            _listening: listening,
        })
    }

    /// Returns the port and the word that callers need.
    pub(super) fn description(&self) -> &ControlDescription {
        &self.description
    }
}

async fn serve(accepted: Accepted, known: &Secret, answers: impl Answers, end: &Notify) -> std::io::Result<()> {
    let mut stream = BufReader::new(accepted.stream);
    let mut text = String::new();
    let mut line_of_request = (&mut stream).take(LONGEST_LINE);
    tokio::time::timeout(REQUEST_LIMIT, line_of_request.read_line(&mut text)).await??;
    let _busy = accepted.activity.busy();
    let wanted = serde_json::from_str::<Request>(&text)
        .ok()
        .filter(|request| knows(&request.word, known));
    let reply = match wanted.map(|request| request.wanted) {
        Some(Wanted::ApiServer(name)) => match answers.api_server(name).await {
            Ok(server) => Reply::ApiServer(Box::new(server)),
            Err(error) if error.is_server_exit() => Reply::ServerExit(with_causes(&error)),
            Err(error) => Reply::Refused(with_causes(&error)),
        },
        Some(Wanted::Calls(wanted)) => Reply::Calls(answers.calls(wanted).await),
        Some(Wanted::Run(run)) if !is_label(&run) => Reply::Refused("invalid id of the run".to_owned()),
        Some(Wanted::Run(run)) => {
            let _under_way = answers.begins(run);
            stream.write_all(line(&Reply::UnderWay).as_bytes()).await?;
            // The run is over when the other end closes the connection, for whatever reason.
            let _over = stream.read_u8().await;
            return Ok(());
        }
        Some(Wanted::End {}) => {
            // The response goes first: the connection ends with the lab.
            let told = stream.write_all(line(&Reply::Ending).as_bytes()).await;
            end.notify_one();
            return told;
        }
        None => Reply::Refused("invalid request, or wrong secret".to_owned()),
    };
    stream.write_all(line(&reply).as_bytes()).await
}

/// Compares in constant time, so that the duration does not reveal how much of the word is right.
fn knows(word: &Secret, known: &Secret) -> bool {
    word.expose().as_bytes().ct_eq(known.expose().as_bytes()).into()
}

/// Returns `true` if `text` can be the value of a label, and of only one.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric())
}

fn line(value: &impl Serialize) -> String {
    format!("{}\n", serde_json::to_string(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::strangers;
    use crate::process::wait::{Condition, until};

    /// A handler that starts nothing, and counts the runs under way.
    #[derive(Clone, Default)]
    struct Idle(Arc<()>);

    impl Answers for Idle {
        type UnderWay = Arc<()>;

        async fn api_server(&self, name: String) -> Result<ApiServer, LabError> {
            Err(match name.as_str() {
                "basic_auth" => LabError::ServerExit(format!("{name} exited")),
                _ => LabError::Refused(format!("{name} is not here")),
            })
        }

        async fn calls(&self, _: WantedCalls) -> Vec<Call> {
            Vec::new()
        }

        fn begins(&self, _: String) -> Arc<()> {
            Arc::clone(&self.0)
        }
    }

    async fn server() -> Server {
        Server::start(Idle::default(), Arc::default()).await.unwrap()
    }

    async fn connect(server: &Server) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, server.description().port)).await.unwrap()
    }

    const REFUSED: &str = "{\"refused\":\"invalid request, or wrong secret\"}\n";

    #[tokio::test]
    async fn a_line_without_end_is_refused_as_soon_as_it_is_too_long() {
        let server = server().await;
        let mut flood = connect(&server).await;
        flood.write_all(&[b'x'; 64 * 1024]).await.unwrap();
        assert_eq!(String::from_utf8(strangers::closed(&mut flood).await).unwrap(), REFUSED);
    }

    #[tokio::test]
    async fn callers_that_say_nothing_keep_nobody_from_asking_who_has_the_word() {
        let server = server().await;
        let address = (Ipv4Addr::LOCALHOST, server.description().port).into();
        let _strangers = strangers::crowd(address).await;
        let asked = Client(server.description().clone()).api_server("tokens").await;
        let refused = asked.unwrap_err().to_string();
        assert!(refused.ends_with(": tokens is not here"), "{refused}");
    }

    #[tokio::test]
    async fn a_word_that_is_nearly_right_is_refused() {
        let server = server().await;
        let word = server.description().word.expose();
        for wrong in ["", &word[1..], &format!("{word}0"), &format!("x{}", &word[1..])] {
            let mut caller = connect(&server).await;
            let request = Request {
                word: Secret::new(wrong),
                wanted: Wanted::ApiServer("tokens".to_owned()),
            };
            caller.write_all(line(&request).as_bytes()).await.unwrap();
            assert_eq!(String::from_utf8(strangers::closed(&mut caller).await).unwrap(), REFUSED);
        }
    }

    #[tokio::test]
    async fn the_end_is_asked_for_by_who_knows_the_word() {
        let end = Arc::new(Notify::new());
        let server = Server::start(Idle::default(), Arc::clone(&end)).await.expect("a free port");
        let knowing = server.description().clone();
        let guessing = ControlDescription {
            word: Secret::new("guessed"),
            ..knowing.clone()
        };
        let refused = Client(guessing).end().await.expect_err("the word is wrong");
        assert!(matches!(refused, LabError::Refused(_)), "{refused}");
        Client(knowing).end().await.expect("the word is right");
        // One notification is kept; the wrong guess left none.
        end.notified().await;
        assert!(futures::FutureExt::now_or_never(end.notified()).is_none());
    }

    #[tokio::test]
    async fn a_server_that_exited_is_told_apart() {
        let server = server().await;
        let client = Client(server.description().clone());
        let error = client.api_server("basic_auth").await.expect_err("it exited");
        assert!(
            error.is_server_exit() && error.to_string().ends_with("basic_auth exited"),
            "{error:?}"
        );
        let error = client.api_server("tokens").await.expect_err("it was not started");
        assert!(!error.is_server_exit(), "{error:?}");
    }

    #[tokio::test]
    async fn a_run_is_under_way_as_long_as_its_connection_lasts() {
        let idle = Idle::default();
        let server = Server::start(idle.clone(), Arc::default()).await.expect("a free port");
        let client = Client(server.description().clone());
        // The listener and this test hold one reference each.
        let alone = Arc::strong_count(&idle.0);
        let under_way = client.begin_run("r1").await.expect("it is noted");
        let refused = client.begin_run("r1,other in (x)").await.expect_err("no label is like that");
        assert!(matches!(refused, LabError::Refused(_)), "{refused}");
        assert!(Arc::strong_count(&idle.0) > alone);
        drop(under_way);
        let over = until("the end of the run", Duration::from_secs(10), || {
            let count = Arc::strong_count(&idle.0);
            std::future::ready(Ok::<_, std::convert::Infallible>(match count == alone {
                true => Condition::Met(()),
                false => Condition::NotYet(format!("{count} instead of {alone}")),
            }))
        });
        over.await.unwrap();
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
