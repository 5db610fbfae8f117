//! The test vendor behind a transport.

use std::sync::{Arc, Mutex};

use nodelock::{Answer, Post, Result, Transport};

use super::vendor::Vendor;

#[derive(Clone)]
pub struct Wire(pub Arc<Mutex<Vendor>>);

impl Wire {
    pub fn to(vendor: Vendor) -> Self {
        Self(Arc::new(Mutex::new(vendor)))
    }
}

impl Transport for Wire {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        Ok(self.0.lock().unwrap().call(post.url, post.body))
    }
}
