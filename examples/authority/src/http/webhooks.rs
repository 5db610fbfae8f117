//! A server tells webhooks what happened, and mails customers.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep},
};
use tracing::warn;

use super::{Server, mailer::Mailer};
use crate::{
    domain::{Actor, Occasion},
    failure::Failure,
    service::MAIL,
};

/// How often it is looked whether something is due. That is one search by index for each webhook.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a webhook waits whose secrets cannot be read here. Another server may tell it meanwhile.
const BLIND: Duration = Duration::from_secs(60);

/// Tells them for as long as the server runs. Each webhook has a task of its own while something is due for it, so that
/// a slow one holds up no other. So have mails, where a program sends them.
pub(super) async fn keep(server: Arc<Server>) {
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut telling: HashMap<String, JoinHandle<()>> = HashMap::new();
    loop {
        period.tick().await;
        telling.retain(|_, task| !task.is_finished());
        match server.service.webhooks_to_tell(&occasion()).await {
            Ok(webhooks) => {
                for id in webhooks {
                    telling.entry(id.clone()).or_insert_with(|| tokio::spawn(tell(server.clone(), id)));
                }
            }
            Err(failure) => warn!(event = "webhooks-not-told", error = failure.message()),
        }
        if let Some(mailer) = &server.mailer {
            match server.service.is_mail_due(&occasion()).await {
                Ok(true) => {
                    let task = || tokio::spawn(mail(server.clone(), mailer.clone()));
                    telling.entry(MAIL.to_owned()).or_insert_with(task);
                }
                Ok(false) => {}
                Err(failure) => warn!(event = "mails-not-sent", error = failure.message()),
            }
        }
    }
}

/// Tells one webhook until nothing is due. Without the key that keeps its secrets it waits, and says so once.
async fn tell(server: Arc<Server>, id: String) {
    let mut has_said = false;
    loop {
        match server.service.tell(&id, &server.courier, &occasion()).await {
            Ok(0) => return,
            Ok(_) => server.service.make_way().await,
            Err(failure @ Failure::VaultMissing) => {
                if !has_said {
                    warn!(event = "webhook-not-told", webhook = id, error = failure.message());
                    has_said = true;
                }
                sleep(BLIND).await;
            }
            Err(failure) => {
                warn!(event = "webhook-not-told", webhook = id, error = failure.message());
                return;
            }
        }
    }
}

/// Mails until nothing is due.
async fn mail(server: Arc<Server>, mailer: Arc<Mailer>) {
    loop {
        match server.service.mail(&mailer, &occasion()).await {
            Ok(0) => return,
            Ok(_) => server.service.make_way().await,
            Err(failure) => {
                warn!(event = "mails-not-sent", error = failure.message());
                return;
            }
        }
    }
}

fn occasion() -> Occasion {
    Occasion { time: SystemTime::now().into(), actor: Actor::Vendor("server".to_owned()) }
}
