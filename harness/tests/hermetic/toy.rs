//! A toy world and a toy lab that only record, and features for them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use authlab::event::{AnswerReport, Event, Events, ReasonSource, ScenarioReport, Skip, SkipKind, Verdict};
use authlab::report::libtest::Libtest;
use authlab::report::record::{Recorder, RunRecord};
use authlab::report::{Reporter, fan_out};
use authlab::scenario::step_definition::step_definitions;
use authlab::scenario::suite::SuiteError;
use authlab::scenario::{
    Differs, Ended, FeatureFile, Left, RunOptions, Selection, SharedScenario, Stage, Suite, Tally, Vocabulary, runner,
};
use cucumber::{given, then, when};
use tokio::sync::Barrier;

/// The state that toy scenarios share.
#[derive(Debug)]
pub struct ToyLab {
    meeting: Barrier,
    under_way: AtomicUsize,
    pub left: Mutex<Vec<(String, Ended)>>,
    interrupter: Mutex<Option<authlab::interrupt::Interrupter>>,
}

#[derive(Debug, Default, cucumber::World)]
pub struct Toy {
    lab: Option<Arc<ToyLab>>,
    scenario: Option<SharedScenario>,
    answers: Vec<AnswerReport>,
    messy: bool,
    twin_presented: bool,
}

impl Toy {
    fn lab(&self) -> Arc<ToyLab> {
        Arc::clone(self.lab.as_ref().unwrap())
    }
}

impl Stage for Toy {
    type Lab = Arc<ToyLab>;

    fn enter(&mut self, lab: Self::Lab, scenario: SharedScenario) {
        lab.under_way.fetch_add(1, Ordering::SeqCst);
        self.lab = Some(lab);
        self.scenario = Some(scenario);
    }

    fn answers(&self) -> Vec<AnswerReport> {
        self.answers.clone()
    }

    async fn leave(&mut self, ended: Ended) -> Left {
        let (lab, failed) = (self.lab(), ended != Ended::Passed);
        lab.under_way.fetch_sub(1, Ordering::SeqCst);
        lab.left.lock().unwrap().push((self.scenario.as_ref().unwrap().id.clone(), ended));
        Left {
            log: if failed {
                vec!["E1124 Unable to authenticate the request".to_owned()]
            } else {
                Vec::new()
            },
            evidence: failed.then(|| "evidence/of-it".to_owned()),
            problem: self.messy.then(|| "the namespace is still there".to_owned()),
            inverted: self.twin_presented,
        }
    }
}

#[given(regex = "^(Alice|Bob|Mallory) holds a toy certificate$")]
fn holds(_toy: &mut Toy, _who: String) {}

#[given("a toy twin is presented in place of what is flawed")]
fn presents_twin(toy: &mut Toy) {
    toy.twin_presented = true;
}

#[given("she was refused before")]
fn was_refused(_toy: &mut Toy) {
    panic!("expected: refused; seen: accepted");
}

#[then("the question is refused")]
fn is_refused(_toy: &mut Toy) {}

#[then("she is accepted as Alice")]
fn is_accepted(_toy: &mut Toy) {}

#[given("the world falls apart")]
fn falls_apart(_toy: &mut Toy) {
    panic!("no namespace could be made");
}

#[then("Alice, with a valid certificate, is still accepted")]
fn twin_is_refused(_toy: &mut Toy) {
    panic!("the twin is refused");
}

#[when("nobody answers")]
fn nobody_answers(toy: &mut Toy) {
    asks(toy);
    toy.answers[0].verdict = Verdict::Unreachable;
}

authlab::requires!(clock, bell if "aloud");
#[given(regex = "^the toy (is wound up|ticks aloud)$")]
fn has_clock(_toy: &mut Toy, _how: String) {}

#[given("a mess is left")]
fn messy(toy: &mut Toy) {
    toy.messy = true;
}

#[when(regex = "^(?:she|he) asks$")]
fn asks(toy: &mut Toy) {
    toy.answers.push(AnswerReport {
        request: "mallory → main: GET /api".to_owned(),
        verdict: Verdict::Unauthenticated,
        status: Some(401),
        reason: Some("x509: certificate has expired or is not yet valid".to_owned()),
        reason_source: ReasonSource::Log,
        audit_id: Some("a-1".to_owned()),
        user: None,
    });
}

#[when("all meet")]
async fn meet(toy: &mut Toy) {
    let lab = toy.lab();
    tokio::time::timeout(Duration::from_secs(20), lab.meeting.wait())
        .await
        .expect("nobody else is under way");
}

#[when("somebody interrupts")]
async fn interrupts(toy: &mut Toy) {
    toy.lab().interrupter.lock().unwrap().take().unwrap().interrupt();
    std::future::pending::<()>().await;
}

#[when("a task panics elsewhere")]
async fn elsewhere(_toy: &mut Toy) {
    let _ = tokio::task::spawn_blocking(|| panic!("lost in a task")).await;
}

#[then("nobody else is under way")]
fn alone(toy: &mut Toy) {
    assert_eq!(toy.lab().under_way.load(Ordering::SeqCst), 1);
}

#[then(regex = "^the answer is (.+)$")]
fn answer_is(_toy: &mut Toy, seen: String) -> Result<(), Differs> {
    if seen == "right" {
        return Ok(());
    }
    Err(Differs::new("`right`", format_args!("`{seen}`")))
}

#[then("it errs")]
fn errs(_toy: &mut Toy) -> Result<(), std::io::Error> {
    Err(std::io::Error::other("the server went away"))
}

#[then(regex = "^it is am.*$")]
fn ambiguous_one(_toy: &mut Toy) {}

#[then(regex = "^it is .*ous$")]
fn ambiguous_two(_toy: &mut Toy) {}

/// Returns a feature file below `features/`.
pub fn file(stem: &str, text: &str) -> FeatureFile {
    FeatureFile {
        stem: stem.to_owned(),
        shown: format!("features/{stem}.feature").into(),
        text: text.to_owned(),
    }
}

pub fn vocabulary() -> Vocabulary {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Vocabulary {
        tags: words(&["toy", "serial", "ignore", "other"]),
        behaviours: words(&["X4", "X5"]),
        capabilities: words(&["audit-log", "bell", "clock"]),
        steps: step_definitions::<Toy>(),
        ..Vocabulary::default()
    }
}

pub fn suite(files: &[FeatureFile]) -> Result<Suite, SuiteError> {
    Suite::new(files, &vocabulary())
}

/// The result of a run.
pub struct Ran {
    pub tally: Tally,
    pub record: RunRecord,
    pub events: Vec<Event>,
    pub libtest: String,
    pub left: Vec<(String, Ended)>,
}

impl Ran {
    pub fn scenario(&self, name: &str) -> &ScenarioReport {
        self.record
            .scenarios
            .iter()
            .find(|scenario| scenario.name == name)
            .unwrap_or_else(|| panic!("no scenario {name}"))
    }

    pub fn message(&self, name: &str) -> String {
        let failure = self.scenario(name).failure.as_ref();
        failure.unwrap_or_else(|| panic!("{name} did not fail")).cause.to_string()
    }
}

#[derive(Clone, Default)]
pub struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Kept(Arc<Mutex<Vec<Event>>>);

impl Reporter for Kept {
    fn on(&mut self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// Runs the scenarios of `selection`, in a lab that cannot have an audit log.
pub async fn run(files: &[FeatureFile], selection: &Selection, concurrency: usize) -> Ran {
    run_as(files, selection, concurrency, false).await
}

/// Does the same; with `inverted`, valid twins replace flawed credentials.
pub async fn run_as(files: &[FeatureFile], selection: &Selection, concurrency: usize, inverted: bool) -> Ran {
    let options = RunOptions {
        concurrency,
        inverted,
        ..RunOptions::default()
    };
    run_with(files, selection, options).await
}

/// Does the same, with `options`; the interrupt among them is not used.
pub async fn run_with(files: &[FeatureFile], selection: &Selection, options: RunOptions) -> Ran {
    let suite = suite(files).unwrap();
    let (interrupter, interrupt) = authlab::interrupt::interrupt();
    let lab = Arc::new(ToyLab {
        meeting: Barrier::new(3),
        under_way: AtomicUsize::new(0),
        left: Mutex::default(),
        interrupter: Mutex::new(Some(interrupter)),
    });
    let (kept, buffer, recorder) = (Arc::default(), Buffer::default(), Arc::new(Mutex::new(Recorder::new())));
    let out = anstream::StripStream::new(Box::new(buffer.clone()) as Box<dyn std::io::Write + Send>);
    let events: Events = fan_out(vec![
        Box::new(Kept(Arc::clone(&kept))),
        Box::new(Libtest::new(AsWrite(out), false)),
        Box::new(Arc::clone(&recorder)),
    ]);
    let lab_future = async {
        events.phase("toy").succeeded();
        Ok::<_, std::convert::Infallible>(Arc::clone(&lab))
    };
    let fit = |_: &Arc<ToyLab>, scenario: &SharedScenario| {
        Ok(scenario.requires().next().map(|capability| Skip {
            kind: SkipKind::Capability,
            because: format!("this lab has no {capability}"),
        }))
    };
    let options = RunOptions { interrupt, ..options };
    let Ok(tally) = runner::run::<Toy, _>(&selection.pick(&suite), &options, lab_future, fit, &events).await;
    let record = recorder.lock().unwrap().record();
    let left = lab.left.lock().unwrap().clone();
    let events = kept.lock().unwrap().clone();
    Ran {
        tally,
        record,
        events,
        libtest: buffer.text(),
        left,
    }
}

struct AsWrite(anstream::StripStream<Box<dyn std::io::Write + Send>>);

impl std::io::Write for AsWrite {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
