//! Stub.
use std::path::Path;
use crate::{event::Events, pki::Leaf, hint::Hint};
use serde::{Serialize,Deserialize};
#[derive(Debug,thiserror::Error)] #[error("stub")] pub struct KeycloakError;
impl Hint for KeycloakError {}
#[derive(Clone,Debug,Serialize,Deserialize)] pub struct KeycloakDescription {pub issuer:String}
#[derive(Clone,Debug)] pub struct KeycloakClient(KeycloakDescription);
impl KeycloakClient { pub fn new(d:&KeycloakDescription)->Result<Self,KeycloakError>{Ok(Self(d.clone()))} pub fn description(&self)->&KeycloakDescription{&self.0} }
#[derive(Debug)] pub struct Keycloak;
impl Keycloak { pub fn pid(&self)->Option<u32>{None} pub async fn stop(self){} pub fn description(&self)->KeycloakDescription{KeycloakDescription{issuer:String::new()}} }
#[derive(Debug)] pub struct Front(tokio::net::TcpListener);
impl Front { pub async fn listen()->Result<Self,KeycloakError>{Ok(Self(tokio::net::TcpListener::bind(("127.0.0.1",0)).await.map_err(|_|KeycloakError)?))} pub fn issuer_url(&self)->String{format!("https://{}/realms/kubernetes",self.0.local_addr().unwrap())} }
#[derive(Debug)] pub struct Prepared;
pub async fn prepare(_h:&crate::server_binaries::KeycloakHome,_e:&Events)->Result<Prepared,KeycloakError>{Ok(Prepared)}
pub async fn start(_p:&Prepared,_f:Front,_d:&Path,_s:&Leaf,_a:&str,_e:&Events)->Result<Keycloak,KeycloakError>{Ok(Keycloak)}
