//! The playground: a page on loopback on which a user writes a configuration, manifests and claims, and sees who that is on each version.
//!
//! The main type is [`Playground`]. Its page is served by the project's listener below a random word; in a class, each learner has such a
//! page. Trials are carried out in bare labs of this process ([`labs`]), which end with it.

mod answer;
mod assets;
mod draft;
mod http;
mod labs;
mod marks;
mod pages;
mod people;
mod project;
mod reply;
mod sent;
mod shapes;
mod slots;
#[cfg(test)]
mod tests;
mod visitor;

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;

use crate::event::Events;
use crate::lab::{LabError, LabOptions};
use crate::listener::{Listener, Listening};
use http::Site;
use labs::{Labs, Limits};
use visitor::OwnPage;

pub use draft::Draft;
pub use people::{DraftCredential, DraftPerson};

/// The options of a playground.
#[derive(Clone, Debug, Default)]
pub struct PlaygroundOptions {
    /// The port on loopback; a free one if not given.
    pub port: Option<u16>,
    /// The content of the page when it is opened first.
    pub draft: Draft,
    /// The directory that the page may save a project into; in a class, each learner has a directory in it.
    pub save: Option<PathBuf>,
    /// The number of learners in a class, each with a page of their own; none for a single page.
    pub learners: Option<u32>,
    /// The options of its labs; the version is the page's.
    pub labs: LabOptions,
}

/// A playground whose page is served. Its trials are carried out by [`Playground::run`].
#[derive(Debug)]
pub struct Playground {
    addresses: Vec<PageAddress>,
    listening: Listening,
    jobs: mpsc::Receiver<labs::Job>,
    labs: Labs,
}

/// The address of a page. Nobody can guess the word in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageAddress {
    /// The learner whose page it is; `None` outside of a class.
    pub learner: Option<String>,
    /// The URL.
    pub url: String,
}

/// The number of requests that may wait to be begun.
const WAITING: usize = 16;

impl Playground {
    /// Listens on loopback.
    ///
    /// # Errors
    /// The port is taken, or no port is free.
    pub async fn listen(options: PlaygroundOptions, events: &Events) -> io::Result<Self> {
        let listener = Listener::bind_to((Ipv4Addr::LOCALHOST, options.port.unwrap_or_default())).await?;
        let here = listener.address();
        let pages = pages(&options);
        let address = |page: &OwnPage| PageAddress {
            learner: page.learner.clone(),
            url: format!("http://{here}/{}/", page.word()),
        };
        let addresses = pages.iter().map(address).collect();
        let limits = match options.learners {
            Some(_) => Limits::of_class(),
            None => Limits::alone(),
        };
        let (sender, jobs) = mpsc::channel(WAITING);
        let site = Arc::new(Site::new(here, pages, limits, sender));
        let listening = listener.serve(None, move |request, connection| {
            let site = Arc::clone(&site);
            async move { Ok::<_, Infallible>(site.respond(request, connection.peer()).await) }
        });
        Ok(Self {
            addresses,
            listening,
            jobs,
            labs: Labs::new(options.labs, limits, events.clone()),
        })
    }

    /// Returns the address of each page: one, or one for each learner.
    #[must_use]
    pub fn addresses(&self) -> &[PageAddress] {
        &self.addresses
    }

    /// Carries out the page's trials until `stop`, then ends everything that was started.
    ///
    /// # Errors
    /// A lab's directory cannot be removed.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), LabError> {
        let Self {
            listening, mut jobs, labs, ..
        } = self;
        {
            let mut stop = std::pin::pin!(stop);
            let mut running = FuturesUnordered::new();
            loop {
                tokio::select! {
                    () = &mut stop => break,
                    Some(job) = jobs.recv() => running.push(labs.carry_out(job)),
                    Some(()) = running.next() => {}
                }
            }
            // Labs that are being started end here.
        }
        listening.stop().await;
        labs.end().await
    }
}

/// Returns the pages that `options` ask for.
fn pages(options: &PlaygroundOptions) -> Vec<OwnPage> {
    let Some(learners) = options.learners else {
        return vec![OwnPage::new(0, None, options.draft.clone(), options.save.clone())];
    };
    let page = |number: usize| {
        let learner = format!("learner-{}", number + 1);
        let save = options.save.as_ref().map(|directory| directory.join(&learner));
        OwnPage::new(number, Some(learner), options.draft.clone(), save)
    };
    (0..learners as usize).map(page).collect()
}
