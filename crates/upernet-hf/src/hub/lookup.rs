//! Asks the hub what a revision stands for and which files it has.
//!
//! This is the part that hf-hub does: its typed API client. Its downloads are not used, because
//! hf-hub 1.0.0 stores the body of a failed request as a blob, checks neither size nor hash, starts
//! from zero after a cut, and waits without limit on a silent server.

use std::{collections::BTreeSet, error::Error as StdError};

use hf_hub::{HFClient, HFError};

use super::{
    Error, HubOptions, ModelId,
    error::{innermost, one_line},
    model_id::is_commit,
    remote::USER_AGENT,
};

/// What the hub says about a revision.
#[derive(Debug)]
pub(super) struct Listing {
    /// The commit it stands for.
    pub(super) commit: String,
    /// Names of all files in it.
    pub(super) files: BTreeSet<String>,
}

/// Without a token of its own hf-hub would look for one in the environment and send it to whatever
/// hub it was told to ask; a text that no header can carry makes it send none.
const NO_TOKEN: &str = "\n";

/// Asks the hub, and again up to `retries` times after faults that may pass.
pub(super) fn lookup(
    model: &ModelId,
    options: &HubOptions,
    retries: u32,
) -> Result<Listing, Error> {
    let explain = |error| explain(error, model, options);
    let client = HFClient::builder()
        .endpoint(options.endpoint_url())
        .token(options.token_text().unwrap_or(NO_TOKEN))
        .client(http_client(options).map_err(|error| explain(error.into()))?)
        .cache_enabled(false)
        .retry_max_attempts(retries as usize)
        .retry_base_delay(options.pause_before(0) / 2)
        .build_sync()
        .map_err(explain)?;
    let info = client
        .model(model.owner(), model.name())
        .info()
        .revision(model.revision())
        // All else in the answer is of no use here, and may change its form.
        .expand(vec!["sha".to_owned(), "siblings".to_owned()])
        .send()
        .map_err(explain)?;
    let commit = info.sha.filter(|commit| is_commit(commit));
    let commit = commit.ok_or_else(|| foreign(model, options, "it names no commit"))?;
    let files = info
        .siblings
        .unwrap_or_default()
        .into_iter()
        .map(|file| file.rfilename);
    Ok(Listing {
        commit,
        files: files.collect(),
    })
}

fn http_client(options: &HubOptions) -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(options.connect_limit())
        .read_timeout(options.stall_limit())
        // hf-hub puts no bound on the length of the answer, so time has to.
        .timeout(options.stall_limit() * 4);
    if options.is_loopback() {
        builder.no_proxy()
    } else {
        builder
    }
    .build()
}

/// Says in this crate's words what hf-hub reports.
fn explain(error: HFError, model: &ModelId, options: &HubOptions) -> Error {
    let endpoint = options.endpoint_url().to_owned();
    let repo = model.repo();
    match error {
        HFError::AuthRequired { context } | HFError::Forbidden { context } => {
            // The hub hides private models behind a status that asks for a login.
            if context.error_code.as_deref() == Some("RepoNotFound") {
                return Error::RepoNotFound { repo, endpoint };
            }
            Error::AccessDenied {
                repo,
                endpoint,
                status: context.status.as_u16(),
            }
        }
        HFError::RevisionNotFound {
            context, revision, ..
        } => {
            let code = context.and_then(|context| context.error_code);
            // Mirrors may leave the code out; then a missing `main` means a missing model.
            if code.map_or(revision == "main", |code| code != "RevisionNotFound") {
                return Error::RepoNotFound { repo, endpoint };
            }
            Error::RevisionNotFound { repo, revision }
        }
        HFError::Http { context }
        | HFError::Conflict { context }
        | HFError::RateLimited { context, .. } => Error::Server {
            endpoint,
            status: context.status.as_u16(),
            what: repo,
            message: one_line(
                context
                    .server_message
                    .as_deref()
                    .unwrap_or("no reason given"),
            ),
        },
        HFError::Request { source, .. } if is_nonsense(&source) => {
            foreign(model, options, &innermost(&source))
        }
        HFError::Request { source, .. } => {
            let source = source.without_url();
            Error::Network {
                endpoint,
                reason: innermost(&source),
                source: Box::new(source),
            }
        }
        other => foreign(model, options, &one_line(&other.to_string())),
    }
}

/// Whether an answer arrived whole but is not what the hub would say.
fn is_nonsense(error: &reqwest::Error) -> bool {
    error
        .source()
        .is_some_and(<dyn StdError>::is::<serde_json::Error>)
}

fn foreign(model: &ModelId, options: &HubOptions, reason: &str) -> Error {
    Error::Protocol {
        endpoint: options.endpoint_url().to_owned(),
        what: model.to_string(),
        reason: reason.to_owned(),
    }
}
