//! Tests of the limits of a listener against hostile callers.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::{Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::http::BodyError;
use super::strangers::closed;
use super::*;
use crate::pki::{Authority, Request};

/// Long enough to tell that something ends, short enough to wait for.
const SHORT: Duration = Duration::from_millis(50);

const QUESTION: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

async fn listen(limits: Limits) -> Listener {
    Listener::bind([127, 0, 0, 1]).await.unwrap().within(limits)
}

/// Starts a server that answers "sound".
async fn sound(limits: Limits) -> Listening {
    let answer = || answer::text(StatusCode::OK, "sound");
    listen(limits)
        .await
        .serve(None, move |_, _| std::future::ready(Ok::<_, Infallible>(answer())))
}

async fn connect(listening: &Listening) -> TcpStream {
    TcpStream::connect(listening.address()).await.unwrap()
}

async fn ask(stream: &mut TcpStream) {
    stream.write_all(QUESTION).await.unwrap();
    assert_eq!(answered(stream).await, "sound");
}

/// Returns the body of the next response, of five bytes.
async fn answered(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(answer).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-length: 5"),
        "{head}"
    );
    let mut body = [0; 5];
    stream.read_exact(&mut body).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Lets all other tasks run that can.
async fn let_others_go_on() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_failed_accept_is_told_once_and_neither_spins_nor_ends_the_listener() {
    #[derive(Default)]
    struct Seen {
        healed: AtomicBool,
        attempts: AtomicUsize,
        told: AtomicUsize,
    }
    let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let accept = {
        let seen = Arc::clone(&seen);
        async move || {
            seen.attempts.fetch_add(1, Ordering::SeqCst);
            if seen.healed.load(Ordering::SeqCst) {
                return socket.accept().await;
            }
            tokio::task::yield_now().await;
            Err(rustix::io::Errno::MFILE.into())
        }
    };
    let serve = |mut accepted: Accepted| async move { accepted.stream.write_all(b"sound").await.unwrap() };
    let tell = {
        let seen = Arc::clone(&seen);
        move |fault: &io::Error| {
            assert_eq!(fault.to_string(), "Too many open files (os error 24)");
            seen.told.fetch_add(1, Ordering::SeqCst);
        }
    };
    let (_end, ending) = watch::channel(false);
    let accepting = tokio::spawn(accept_from(accept, Limits::default(), ending, serve, tell));
    let_others_go_on().await;
    let attempts = seen.attempts.load(Ordering::SeqCst);
    assert!((1..100).contains(&attempts), "{attempts} attempts while nothing changes");
    seen.healed.store(true, Ordering::SeqCst);
    assert_eq!(closed(&mut TcpStream::connect(address).await.unwrap()).await, b"sound");
    assert_eq!(seen.told.load(Ordering::SeqCst), 1);
    accepting.abort();
}

#[tokio::test]
async fn the_connection_that_is_idle_for_longest_makes_room_for_a_further_one() {
    let listening = sound(Limits {
        connections: 2,
        ..Limits::default()
    })
    .await;
    let (mut first, mut second) = (connect(&listening).await, connect(&listening).await);
    ask(&mut second).await;
    ask(&mut first).await;
    let mut third = connect(&listening).await;
    ask(&mut third).await;
    assert_eq!(closed(&mut second).await, b"", "it was idle for longest");
    ask(&mut first).await;
    ask(&mut third).await;
}

#[tokio::test]
async fn a_further_caller_waits_while_every_connection_is_busy() {
    let (begun, go_on, served) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let listening = {
        let (begun, go_on, served) = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&served));
        let limits = Limits {
            connections: 1,
            ..Limits::default()
        };
        listen(limits).await.serve(None, move |_, _| {
            let (begun, go_on, served) = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&served));
            async move {
                served.fetch_add(1, Ordering::SeqCst);
                begun.notify_one();
                go_on.notified().await;
                Ok::<_, Infallible>(answer::text(StatusCode::OK, "sound"))
            }
        })
    };
    let mut first = connect(&listening).await;
    first.write_all(QUESTION).await.unwrap();
    begun.notified().await;
    let mut second = connect(&listening).await;
    second.write_all(QUESTION).await.unwrap();
    let_others_go_on().await;
    assert_eq!(served.load(Ordering::SeqCst), 1, "the second waits");
    go_on.notify_one();
    assert_eq!(answered(&mut first).await, "sound");
    // The first stays connected, and is idle now.
    begun.notified().await;
    go_on.notify_one();
    assert_eq!(answered(&mut second).await, "sound");
    assert_eq!(closed(&mut first).await, b"");
}

#[tokio::test]
async fn a_body_that_is_still_sent_keeps_its_connection_busy() {
    let (send, body) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    let body = Mutex::new(Some(body));
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let listening = listen(limits).await.serve(None, {
        let body = Arc::new(body);
        move |_, _| {
            let body = body.lock().unwrap().take().map(|body| {
                StreamBody::new(futures::stream::unfold(body, |mut body| async {
                    body.recv().await.map(|frame| (frame, body))
                }))
            });
            std::future::ready(Ok::<_, Infallible>(Response::new(
                body.map_or_else(|| Full::from("sound").boxed_unsync(), BodyExt::boxed_unsync),
            )))
        }
    });
    let mut watching = connect(&listening).await;
    watching.write_all(QUESTION).await.unwrap();
    send.send(Ok(Frame::data(Bytes::from_static(b"one")))).await.unwrap();
    let mut watched = Vec::new();
    while !watched.ends_with(b"one\r\n") {
        watched.push(watching.read_u8().await.unwrap());
    }
    let mut further = connect(&listening).await;
    further.write_all(QUESTION).await.unwrap();
    let_others_go_on().await;
    send.send(Ok(Frame::data(Bytes::from_static(b"two")))).await.unwrap();
    drop(send);
    assert_eq!(answered(&mut further).await, "sound");
    assert_eq!(closed(&mut watching).await, b"3\r\ntwo\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_ended() {
    // Another test may have chosen it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let leaf = Authority::root("servers").unwrap().issue(&Request::server("server", &[])).unwrap();
    let limits = Limits {
        handshake: SHORT,
        ..Limits::default()
    };
    let never = |_, _| std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>();
    let listening = listen(limits).await.serve(Some(crate::tls::server(&leaf).unwrap()), never);
    let mut silent = connect(&listening).await;
    assert_eq!(closed(&mut silent).await, b"");
    let mut halfway = connect(&listening).await;
    // The head of a record whose rest never arrives (RFC 8446 §5.1).
    halfway.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    assert_eq!(closed(&mut halfway).await, b"");
}

#[tokio::test]
async fn a_head_that_does_not_end_and_a_connection_without_a_further_request_are_ended() {
    let listening = sound(Limits {
        head: SHORT,
        ..Limits::default()
    })
    .await;
    let mut slow = connect(&listening).await;
    slow.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
    assert_eq!(closed(&mut slow).await, b"");
    let mut idle = connect(&listening).await;
    ask(&mut idle).await;
    assert_eq!(closed(&mut idle).await, b"");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let listening = sound(Limits {
        head_size: 1024,
        ..Limits::default()
    })
    .await;
    let mut stream = connect(&listening).await;
    stream
        .write_all(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(1024)).as_bytes())
        .await
        .unwrap();
    let answer = String::from_utf8(closed(&mut stream).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_body_is_read_if_it_is_neither_too_large_nor_too_slow() {
    let limits = Limits {
        body_size: 3,
        body: SHORT,
        ..Limits::default()
    };
    assert_eq!(read_body(Full::from("abc"), limits).await.unwrap(), "abc");
    assert!(matches!(read_body(Full::from("abcd"), limits).await, Err(BodyError::Read(_))));
    let silent = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Infallible>>());
    assert!(matches!(read_body(silent, limits).await, Err(BodyError::Slow(SHORT))));
}

#[tokio::test]
async fn a_listener_that_finishes_answers_what_it_was_asked_and_closes_the_rest() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let listening = {
        let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        listen(Limits::default()).await.serve(None, move |_, _| {
            let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
            async move {
                begun.notify_one();
                go_on.notified().await;
                Ok::<_, Infallible>(answer::text(StatusCode::OK, "sound"))
            }
        })
    };
    let (mut idle, mut asking) = (connect(&listening).await, connect(&listening).await);
    let address = listening.address();
    asking.write_all(QUESTION).await.unwrap();
    begun.notified().await;
    let finishing = tokio::spawn(listening.finish(Duration::from_secs(60)));
    assert_eq!(closed(&mut idle).await, b"");
    std::net::TcpListener::bind(address).expect("its port is free");
    go_on.notify_one();
    let answer = String::from_utf8(closed(&mut asking).await).unwrap();
    assert!(answer.ends_with("\r\n\r\nsound"), "{answer}");
    finishing.await.unwrap();
}

#[tokio::test]
async fn a_relay_ends_when_nothing_moves_any_more() {
    let server = listen(Limits::default()).await.accept(|mut accepted| async move {
        let (mut read, mut write) = accepted.stream.split();
        drop(tokio::io::copy(&mut read, &mut write).await);
    });
    let address = server.address();
    let listening = listen(Limits::default()).await.accept(move |accepted| async move {
        let server = TcpStream::connect(address).await.unwrap();
        drop(relay(accepted.stream, server, &accepted.activity, SHORT).await);
    });
    let mut caller = connect(&listening).await;
    caller.write_all(b"echo").await.unwrap();
    assert_eq!(closed(&mut caller).await, b"echo");
}
