//! What can be typed about webhooks.

use clap::{Args, Subcommand};
use nodelock::Timestamp;

use crate::service::Replay;

#[derive(Subcommand)]
pub(crate) enum WebhookCommand {
    /// Have a server of yours be told of what happens from here on, and show this once what messages are signed with
    Add {
        /// Where, such as https://example.com/hooks
        url: String,
        /// A kind of event that it is told of, as `event kinds` shows them, or `license.*` or `seat.*`; may be given
        /// several times [default: all]
        #[arg(long = "event", value_name = "KIND")]
        kinds: Vec<String>,
    },
    /// Show webhooks
    List,
    /// Have a webhook be told nothing any more
    Remove {
        /// As `list` shows it
        id: String,
    },
    /// Sign with a new secret, and show it this once; for a day messages are signed with the one before too
    Secret {
        /// As `list` shows it
        id: String,
    },
    /// Send a message that means nothing, and say what was answered
    Test {
        /// As `list` shows it
        id: String,
        #[command(flatten)]
        allowed: Allowed,
    },
    /// Show what a webhook was told, oldest first
    Deliveries {
        /// As `list` shows it
        id: String,
        /// Only what was given up
        #[arg(long)]
        aside: bool,
        /// Only those after this event
        #[arg(long, value_name = "EVENT", default_value = "")]
        after: String,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: u32,
    },
    /// Tell events once more; one that is tried again later is told then
    Replay {
        /// As `list` shows it
        id: String,
        #[command(flatten)]
        which: Replayed,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Replayed {
    /// What was given up
    #[arg(long)]
    aside: bool,
    /// This one
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// Everything from a day or second on
    #[arg(long, value_name = "DATE")]
    since: Option<Timestamp>,
}

impl Replayed {
    pub(crate) fn replay(&self) -> Replay {
        match (&self.event, self.since) {
            (Some(event), _) => Replay::Event(event.clone()),
            (None, Some(since)) => Replay::Since(since),
            (None, None) => Replay::Aside,
        }
    }
}

#[derive(Args)]
pub(crate) struct Allowed {
    /// A host that webhooks may be on though it is inside, such as localhost or 10.0.0.7, or has no TLS; may be given
    /// several times
    #[arg(
        long = "webhook-allow",
        value_name = "HOST",
        env = "AUTHORITY_WEBHOOK_ALLOW",
        value_delimiter = ','
    )]
    pub(crate) hosts: Vec<String>,
}
