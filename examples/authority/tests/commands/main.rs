//! The authority's commands, each run of the program in a process of its own.

mod audit;
mod backup;
mod bulk;
mod customers;
mod edit;
mod filters;
mod giving;
mod issuer_certificate;
mod license_keys;
mod mail;
mod people;
mod pg_restore;
mod products;
mod program;
mod requests;
mod restored;
mod rows;
mod sale;
mod schema;
mod server;
mod set_up;
mod several_products;
mod terms;
mod trials;
mod vendor;
mod verify;
mod webhooks;

#[path = "../support/mod.rs"]
mod support;
