//! Which request is answered by what, and what every answer says of itself.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get};

use super::problem::Problem;
use super::view::View;
use super::{api, health, metrics, page};

/// What is answered, as the description of the interface names it.
pub(super) fn routes() -> Vec<(Method, &'static str, MethodRouter<Arc<View>>)> {
    vec![
        (Method::GET, "/api/v1/status", get(api::status::status)),
        (Method::GET, "/api/v1/clients", get(api::clients::clients)),
        (Method::DELETE, "/api/v1/clients/{id}", delete(api::kick::kick)),
        (Method::GET, "/api/v1/topics", get(api::topics::topics)),
        (Method::GET, "/api/v1/subscriptions", get(api::subscriptions::subscriptions)),
        (Method::GET, "/api/v1/shards", get(api::shards::shards)),
        (Method::GET, "/api/v1/config", get(api::config::config)),
        (Method::GET, "/api/v1/openapi.json", get(api::openapi)),
        (Method::GET, "/healthz", get(health::health)),
        (Method::GET, "/readyz", get(health::readiness)),
        (Method::GET, "/metrics", get(metrics::metrics)),
    ]
}

pub(super) fn router(view: Arc<View>) -> Router {
    let mut router = Router::new();
    for (_, path, answer) in routes() {
        router = router.route(path, answer);
    }
    for file in page::FILES.iter() {
        router =
            router.route(file.path, get(move |request: Request| async move { page::answer(file, &request) }));
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(not_that_method)
        .layer(from_fn_with_state(Arc::clone(&view), without_body))
        .layer(from_fn(said_of_every_answer))
        .with_state(view)
}

async fn unknown(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(PATH_CHARS_MAX).collect();
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}"))
        .hinting("/ is the live page, /t/… are topics, /api/v1/… tells of the server: /api/v1/openapi.json")
}

async fn not_that_method(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(PATH_CHARS_MAX).collect();
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{path} is there, but not for {method}"))
        .hinting("/api/v1/openapi.json describes what is")
}

/// As much of a path as an answer repeats.
const PATH_CHARS_MAX: usize = 200;

/// Reads a body and throws it away: nothing here wants one, and a peer that is not read to the end of
/// its request may not read its answer.
async fn without_body(State(view): State<Arc<View>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if axum::body::to_bytes(body, view.limits.web_body_bytes_max).await.is_err() {
        let detail = format!("a body of more than {} bytes", view.limits.web_body_bytes_max);
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response();
    }
    next.run(Request::from_parts(parts, Body::empty())).await
}

async fn said_of_every_answer(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in SAID {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A page of this server runs its own scripts, talks to this server, and is in nobody's frame; nothing
/// else that it answers is anything but data.
const SAID: [(HeaderName, &str); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];
