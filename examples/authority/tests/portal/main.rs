//! The portal through plain forms, as a browser without JavaScript sees it.

mod hostile;
mod mail;
mod pages;

#[path = "../support/mod.rs"]
mod support;
