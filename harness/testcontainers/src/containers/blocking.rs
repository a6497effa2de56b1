//! Keycloak and k3s without `async`, for tests that have no runtime.
//!
//! The main types are [`RunningKeycloak`] and [`RunningK3s`], which `start_blocking` returns. Do not call them inside of `async` code.
//!
//! ```no_run
//! # fn main() -> Result<(), authlab_testcontainers::Error> {
//! use authlab_testcontainers::Keycloak;
//!
//! let keycloak = Keycloak::default().start_blocking()?;
//! println!("{}", keycloak.admin_token()?.access_token);
//! # Ok(())
//! # }
//! ```

use std::fmt;

use testcontainers::{ContainerAsync, ContainerRequest};
use tokio::runtime::Runtime;

use super::{Client, DescribedImage, Error, K3s, Keycloak, Token, k3s, keycloak};

type Request = ContainerRequest<DescribedImage>;

/// A running container with the runtime that it was started on.
struct Held<T> {
    runtime: Runtime,
    /// `None` once it is stopped.
    running: Option<T>,
}

impl<T> Held<T> {
    fn start(start: impl Future<Output = Result<T, Error>>) -> Result<Self, Error> {
        // testcontainers removes containers on a thread of the runtime, so it has to have some.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let running = runtime.block_on(start)?;
        Ok(Self {
            runtime,
            running: Some(running),
        })
    }

    fn running(&self) -> &T {
        // Only `stop` and `drop` take it, and nothing follows them.
        self.running.as_ref().expect("it is not stopped")
    }

    fn ask<'a, U, F: Future<Output = U>>(&'a self, ask: impl FnOnce(&'a T) -> F) -> U {
        self.runtime.block_on(ask(self.running()))
    }

    fn stop<F: Future<Output = Result<(), Error>>>(mut self, stop: impl FnOnce(T) -> F) -> Result<(), Error> {
        match self.running.take() {
            Some(running) => self.runtime.block_on(stop(running)),
            None => Ok(()),
        }
    }
}

impl<T> Drop for Held<T> {
    /// Drops the container inside of its runtime, where testcontainers can remove it.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(async { drop(running) });
        }
    }
}

impl Keycloak {
    /// Starts it as [`Keycloak::start`] does, without `async`.
    ///
    /// # Errors
    /// Those of [`Keycloak::start`].
    pub fn start_blocking(self) -> Result<RunningKeycloak, Error> {
        self.start_blocking_with(|request| request)
    }

    /// Starts it as [`Keycloak::start_with`] does, without `async`.
    ///
    /// # Errors
    /// Those of [`Keycloak::start`].
    pub fn start_blocking_with(self, change: impl FnOnce(Request) -> Request) -> Result<RunningKeycloak, Error> {
        Held::start(self.start_with(change)).map(RunningKeycloak)
    }
}

/// A Keycloak that can be used, without `async`.
pub struct RunningKeycloak(Held<keycloak::RunningKeycloak>);

impl RunningKeycloak {
    /// Returns the public address: see [`crate::RunningKeycloak::url`].
    pub fn url(&self) -> &str {
        self.0.running().url()
    }

    /// Returns the port of 127.0.0.1 that leads to Keycloak.
    pub fn port(&self) -> u16 {
        self.0.running().port()
    }

    /// Returns the issuer of a realm.
    pub fn issuer_url(&self, realm: &str) -> String {
        self.0.running().issuer_url(realm)
    }

    /// Returns the name and password of the administrator.
    pub fn administrator(&self) -> (&str, &str) {
        self.0.running().administrator()
    }

    /// Requests a token with a user's password: see [`crate::RunningKeycloak::password_token`].
    ///
    /// # Errors
    /// Keycloak refuses, or does not answer.
    pub fn password_token<'a>(&self, realm: &str, client: impl Into<Client<'a>>, user: &str, password: &str) -> Result<Token, Error> {
        let client = client.into();
        self.0.ask(|keycloak| keycloak.password_token(realm, client, user, password))
    }

    /// Requests a token for a client itself: see [`crate::RunningKeycloak::client_credentials_token`].
    ///
    /// # Errors
    /// Keycloak refuses, or does not answer.
    pub fn client_credentials_token(&self, realm: &str, client: &str, secret: &str) -> Result<Token, Error> {
        self.0.ask(|keycloak| keycloak.client_credentials_token(realm, client, secret))
    }

    /// Requests a token for the admin API of all realms.
    ///
    /// # Errors
    /// Keycloak refuses, or does not answer.
    pub fn admin_token(&self) -> Result<Token, Error> {
        self.0.ask(|keycloak| keycloak.admin_token())
    }

    /// Returns the log up to now.
    ///
    /// # Errors
    /// The engine does not answer.
    pub fn log(&self) -> Result<String, Error> {
        self.0.ask(|keycloak| keycloak.log())
    }

    /// Returns the container, for its id; its own methods are `async`.
    pub fn container(&self) -> &ContainerAsync<DescribedImage> {
        self.0.running()
    }

    /// Removes the container, and says whether that failed.
    ///
    /// # Errors
    /// The engine refuses, or does not answer.
    pub fn stop(self) -> Result<(), Error> {
        self.0.stop(keycloak::RunningKeycloak::stop)
    }
}

impl fmt::Debug for RunningKeycloak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.running().fmt(f)
    }
}

impl K3s {
    /// Starts it as [`K3s::start`] does, without `async`.
    ///
    /// # Errors
    /// Those of [`K3s::start`].
    pub fn start_blocking(self) -> Result<RunningK3s, Error> {
        self.start_blocking_with(|request| request)
    }

    /// Starts it as [`K3s::start_with`] does, without `async`.
    ///
    /// # Errors
    /// Those of [`K3s::start`].
    pub fn start_blocking_with(self, change: impl FnOnce(Request) -> Request) -> Result<RunningK3s, Error> {
        Held::start(self.start_with(change)).map(RunningK3s)
    }
}

/// A k3s whose API server is ready, without `async`.
pub struct RunningK3s(Held<k3s::RunningK3s>);

impl RunningK3s {
    /// Returns the administrator's kubeconfig, with the address that leads here from this machine.
    pub fn kubeconfig(&self) -> &str {
        self.0.running().kubeconfig()
    }

    /// Returns the address of the API server.
    pub fn url(&self) -> String {
        self.0.running().url()
    }

    /// Returns the log up to now.
    ///
    /// # Errors
    /// The engine does not answer.
    pub fn log(&self) -> Result<String, Error> {
        self.0.ask(|k3s| k3s.log())
    }

    /// Returns the container, for its id; its own methods are `async`.
    pub fn container(&self) -> &ContainerAsync<DescribedImage> {
        self.0.running()
    }

    /// Removes the container, and says whether that failed.
    ///
    /// # Errors
    /// The engine refuses, or does not answer.
    pub fn stop(self) -> Result<(), Error> {
        self.0.stop(k3s::RunningK3s::stop)
    }
}

impl fmt::Debug for RunningK3s {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.running().fmt(f)
    }
}
