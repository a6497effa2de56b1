//! A test engine on a Unix socket: it has some containers, and forgets those that it is told to remove. The main type is
//! [`Engine`].

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};

use authlab::owner::{LabId, Owner};
use serde_json::{Value, json};

pub struct Engine {
    directory: tempfile::TempDir,
    there: Arc<Mutex<Vec<Value>>>,
    deleted: Arc<Mutex<Vec<String>>>,
}

/// Returns a container as an engine lists it, with the labels of a lab in `directory`.
pub fn thing(name: &str, id: &LabId, owner: &Owner, directory: &str) -> Value {
    let mut labels = json!({
        "authlab.managed-by": "authlab",
        "authlab.lab": "default",
        "authlab.id": id,
        "authlab.directory": directory,
        "authlab.owner": owner.pid.to_string(),
        "authlab.user": owner.user.to_string(),
    });
    for (label, value) in [
        ("authlab.machine", &owner.machine),
        ("authlab.boot", &owner.boot),
        ("authlab.pid-namespace", &owner.pid_namespace),
    ] {
        if let Some(value) = value {
            labels[label] = json!(value);
        }
    }
    json!({ "Id": name, "Names": [format!("/{name}")], "Labels": labels })
}

impl Engine {
    /// Starts an engine with the containers `there`. It responds as long as the test binary runs.
    pub fn start(there: Vec<Value>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("engine.sock")).unwrap();
        let engine = Self {
            directory,
            there: Arc::new(Mutex::new(there)),
            deleted: Arc::default(),
        };
        let (there, deleted) = (Arc::clone(&engine.there), Arc::clone(&engine.deleted));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (there, deleted) = (Arc::clone(&there), Arc::clone(&deleted));
                // A client that disconnects early needs no response.
                std::thread::spawn(move || serve(connection, &there, &deleted).ok());
            }
        });
        engine
    }

    pub fn address(&self) -> String {
        format!("unix://{}", self.directory.path().join("engine.sock").display())
    }

    /// Returns the ids of the removed containers, in order.
    pub fn deleted(&self) -> Vec<String> {
        self.deleted.lock().unwrap().clone()
    }
}

fn serve(mut connection: UnixStream, there: &Mutex<Vec<Value>>, deleted: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            match header.trim().to_ascii_lowercase().split_once(':') {
                None => break,
                Some(("content-length", value)) => length = value.trim().parse().unwrap_or(0),
                Some(_) => {}
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        let (status, body) = answer(&request, there, deleted);
        let body = if status == 204 { String::new() } else { body.to_string() };
        write!(
            connection,
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
}

/// Returns status and body of the response to `GET /v1.41/path?query HTTP/1.1`.
fn answer(request: &str, there: &Mutex<Vec<Value>>, deleted: &Mutex<Vec<String>>) -> (u16, Value) {
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = match path.strip_prefix("/v1.") {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => path,
    };
    match (method, path) {
        ("GET", "/version") => (
            200,
            json!({ "Version": "99.0", "ApiVersion": "1.41", "Arch": "amd64", "Os": "linux", "KernelVersion": "1.0" }),
        ),
        ("GET", "/info") => (200, json!({ "OperatingSystem": "a test", "SecurityOptions": [] })),
        ("GET", "/networks") => (200, json!([])),
        ("GET", "/volumes") => (200, json!({})),
        ("GET", "/containers/json") => {
            let asked = labels_in(query);
            let carries = |thing: &&Value| {
                asked.iter().all(|label| match label.split_once('=') {
                    Some((name, value)) => thing["Labels"][name] == value,
                    None => !thing["Labels"][label].is_null(),
                })
            };
            let there = there.lock().unwrap();
            (200, there.iter().filter(carries).cloned().collect())
        }
        ("DELETE", path) => {
            let id = path.trim_start_matches("/containers/");
            there.lock().unwrap().retain(|thing| thing["Id"] != id);
            deleted.lock().unwrap().push(id.to_owned());
            (204, Value::Null)
        }
        _ => (500, json!({ "message": format!("not expected: {request}") })),
    }
}

/// Returns the labels in the parameter `filters`.
fn labels_in(query: &str) -> Vec<String> {
    let filters = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "filters");
    let filters: Value = filters.map_or(Value::Null, |(_, value)| serde_json::from_str(&value).unwrap());
    let labels = filters["label"].as_array().into_iter().flatten();
    labels.map(|label| label.as_str().unwrap().to_owned()).collect()
}
