//! Ways to an authority that keep what is sent through them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use nodelock::{Answer, Error, ErrorKind, Post, Result, Transport};
use serde_json::Value;

/// A call as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The path of its address.
    pub path: String,
    pub body: Value,
    /// How long it might take.
    pub timeout: Duration,
}

type Before = Box<dyn Fn(&Post<'_>) + Send + Sync>;

/// Keeps what is sent through it, and passes it on.
#[derive(Clone)]
pub struct Watched<T> {
    inner: T,
    before: Arc<Option<Before>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl<T> Watched<T> {
    pub fn new(inner: T) -> Self {
        Self { inner, before: Arc::default(), sent: Arc::default() }
    }

    /// Does that before it passes a call on.
    pub fn before(self, act: impl Fn(&Post<'_>) + Send + Sync + 'static) -> Self {
        Self { before: Arc::new(Some(Box::new(act))), ..self }
    }

    /// What was sent since this was asked last.
    pub fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }

    pub fn last(&self) -> Sent {
        self.sent.lock().unwrap().last().unwrap().clone()
    }
}

impl<T: Transport> Transport for Watched<T> {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        let path = format!("/{}", post.url.splitn(4, '/').nth(3).unwrap());
        let body = serde_json::from_slice(post.body).unwrap();
        self.sent.lock().unwrap().push(Sent { path, body, timeout: post.timeout });
        if let Some(before) = &*self.before {
            before(post);
        }
        self.inner.post(post)
    }
}

/// A network that loses everything.
#[derive(Clone, Copy, Default)]
pub struct Nowhere;

impl Transport for Nowhere {
    fn post(&self, _: &Post<'_>) -> Result<Answer> {
        Err(Error::about(ErrorKind::Unreachable, "network"))
    }
}
