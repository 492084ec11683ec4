//! The live page: a few files in the binary, asked for again with their tag.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;

use super::scripts;

/// One file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: &'static str,
    kind: &'static str,
    bytes: Bytes,
}

pub(super) static FILES: LazyLock<[File; 5]> = LazyLock::new(|| {
    let fixed = |path, kind, text: &'static str| File { path, kind, bytes: text.into() };
    let script = "text/javascript; charset=utf-8";
    [
        fixed("/", "text/html; charset=utf-8", include_str!("page/index.html")),
        fixed("/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
        File { path: "/app.js", kind: script, bytes: scripts::script().into() },
        // What runs beside the page, in a thread of its own.
        fixed("/link.js", script, include_str!("page/link.js")),
        fixed("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ]
});

/// The file, or that it has not changed since the peer got it.
pub(super) fn answer(file: &'static File, request: &Request) -> Response {
    let tag = tag(file);
    let known = request.headers().get_all(header::IF_NONE_MATCH);
    let is_known = known.iter().filter_map(|value| value.to_str().ok()).any(|tags| names(tags, &tag));
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(file.bytes.clone()).into_response(),
    };
    let headers = response.headers_mut();
    if !is_known {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    }
    // To be kept, and asked for again each time: another version may run by then.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("digits between quotes"));
    response
}

/// Another one for other bytes.
fn tag(file: &File) -> String {
    let mut hasher = DefaultHasher::new();
    file.bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// Whether a list of tags has this one.
fn names(tags: &str, tag: &str) -> bool {
    let mut tags = tags.split(',').map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small() {
        let bytes: usize = FILES.iter().map(|file| file.bytes.len()).sum();
        assert!(bytes <= 100 * 1024, "{bytes} bytes");
    }

    #[test]
    fn a_tag_is_found_in_what_browsers_send() {
        for (tags, expected) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(names(tags, "\"a\""), expected, "{tags}");
        }
    }
}
