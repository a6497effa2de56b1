//! `authlab serve --learners`: a page for each learner, and the labs that they share.

use std::process::{Child, Stdio};
use std::time::Duration;

use authlab::process::wait::Condition;
use reqwest::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::stage::{Stage, wait};

const CONFIGURATION: &str = "\
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: https://login.example.com
    audiences: [kubernetes]
  claimMappings:
    username: {claim: sub, prefix: 'oidc:'}
";

const MANIFESTS: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: alice}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: 'oidc:alice'}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
";

/// A class that is served, and the addresses of its learners' pages.
struct Class {
    serving: Child,
    urls: Vec<String>,
}

impl Class {
    fn start(stage: &Stage, learners: usize) -> Self {
        // Another test may have done it.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let mut command = stage.command(&["--json", "serve", "--learners", &learners.to_string()]);
        let mut serving = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut documents = serde_json::Deserializer::from_reader(serving.stdout.take().unwrap()).into_iter::<Value>();
        let printed = documents.next().unwrap().unwrap();
        let pages = printed["learners"].as_array().unwrap();
        let name = |number: usize| json!(format!("learner-{}", number + 1));
        assert!((0..learners).all(|number| pages[number]["learner"] == name(number)), "{printed}");
        let urls = pages.iter().map(|page| page["url"].as_str().unwrap().to_owned()).collect();
        Self { serving, urls }
    }

    /// Tries alice on the page of the learner at `index`, and returns the user name and whether the action is allowed.
    async fn tries(&self, index: usize, configuration: &str, manifests: &str) -> (String, bool) {
        let asked = json!({
            "configuration": configuration,
            "manifests": manifests,
            "people": [{ "name": "alice", "presents": { "claims": "{\"sub\": \"alice\"}" } }],
            "actions": "get pods in default",
            "versions": ["1.37"],
        });
        let client = Client::builder().no_proxy().build().unwrap();
        let answer = client.post(format!("{}try", self.urls[index])).json(&asked).send().await.unwrap();
        let answer = answer.text().await.unwrap();
        let answer: Value = serde_json::from_str(answer.lines().next().unwrap()).unwrap();
        let alice = &answer["people"][0];
        let user = alice["accepted"]["user"].as_str().unwrap_or_else(|| panic!("{answer}"));
        (user.to_owned(), alice["may"][0]["allowed"].as_bool().unwrap())
    }
}

impl Drop for Class {
    fn drop(&mut self) {
        // A test that failed midway leaves it; otherwise it has ended.
        let _ = self.serving.kill();
    }
}

/// Returns the number of processes of `stage` that run `program`.
#[cfg(target_os = "linux")]
fn running(stage: &Stage, program: &str) -> usize {
    let is_one = |process: &&String| process.split_whitespace().nth(1).is_some_and(|command| command.ends_with(program));
    stage.processes().iter().filter(is_one).count()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: it has a lab of its own"]
async fn learners_share_api_servers_where_everything_is_equal_and_see_nothing_of_each_other() {
    let stage = Stage::new();
    let mut class = Class::start(&stage, 3);
    let other = CONFIGURATION.replace("oidc:", "other:");
    // The learner, the configuration and the manifests; the user, the right, the API servers and the labs.
    for (learner, configuration, manifests, user, may, api_servers, labs) in [
        (0, CONFIGURATION, "", "oidc:alice", false, 1, 1),
        (1, CONFIGURATION, "", "oidc:alice", false, 1, 1),
        (1, &other, "", "other:alice", false, 2, 1),
        (2, CONFIGURATION, MANIFESTS, "oidc:alice", true, 3, 2),
        // The third one's objects do not count for the first.
        (0, CONFIGURATION, "", "oidc:alice", false, 3, 2),
        // A lab that nobody wants any more ends.
        (2, CONFIGURATION, "", "oidc:alice", false, 2, 1),
    ] {
        let step = format!("learner {learner}, {user}, {may}");
        assert_eq!(
            class.tries(learner, configuration, manifests).await,
            (user.to_owned(), may),
            "{step}"
        );
        assert_eq!(
            (running(&stage, "/kube-apiserver"), running(&stage, "/etcd")),
            (api_servers, labs),
            "{step}"
        );
    }
    let serving = Pid::from_raw(i32::try_from(class.serving.id()).unwrap()).unwrap();
    kill_process(serving, Signal::INT).unwrap();
    let ended = tokio::task::spawn_blocking(move || {
        let ended = wait("the end of the command", Duration::from_secs(60), || {
            match class.serving.try_wait().unwrap() {
                Some(ended) => Condition::Met(ended),
                None => Condition::NotYet("it still runs".to_owned()),
            }
        });
        stage.expect_nothing_runs("interrupted");
        assert_eq!(stage.labs(), [""; 0]);
        ended
    });
    assert_eq!(ended.await.unwrap().code(), Some(0));
}
