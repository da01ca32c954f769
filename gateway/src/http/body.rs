//! Bodies: whole ones under a limit, and streamed ones that are never whole.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::HeaderMap;
use ::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE,
};
use ::http::{HeaderValue, Response, StatusCode};
use axum::body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::limits::Limits;
use super::problem::Problem;

/// Content type of documents.
pub(super) const JSON: &str = "application/json";
/// Content type of comma-separated values (RFC 4180, RFC 7111).
pub(super) const CSV: &str = "text/csv";
/// Content type of one JSON document a line.
pub(super) const JSON_LINES: &str = "application/x-ndjson";
/// Content type of bytes that nothing else is said about.
pub(super) const OCTETS: &str = "application/octet-stream";

/// Reads a whole body of at most `limit` bytes, in time.
pub(super) async fn read(body: Body, limit: usize, time: Duration) -> Result<Bytes, Problem> {
    let announced = body.size_hint().lower();
    if announced > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_large(limit));
    }
    let read = timeout(time, Limited::new(body, limit).collect()).await;
    match read.map_err(|_| too_slow())? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Err(_) => Err(unread()),
    }
}

fn too_large(limit: impl std::fmt::Display) -> Problem {
    Problem::new("body-too-large", format_args!("expected at most {limit} bytes"))
}

/// The body did not arrive in time.
pub(super) fn too_slow() -> Problem {
    Problem::new("request-timeout", "the body did not arrive in time")
}

fn unread() -> Problem {
    Problem::new("body-unread", "the body could not be read to its end")
}

/// Reads a JSON body.
pub(super) async fn read_json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
) -> Result<(T, Bytes), Problem> {
    require_content_type(headers, JSON)?;
    let bytes = read(body, limits.body_bytes, limits.body_time).await?;
    Ok((parse_json(&bytes)?, bytes))
}

/// The document in a JSON body.
pub(super) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let expected = without_content(text.strip_suffix(&place).unwrap_or(&text));
        if error.line() == 0 {
            return Problem::new("json", expected); // about the document as a whole
        }
        let (line, column) = (error.line(), error.column());
        Problem::new("json", format_args!("line {line}, column {column}: {expected}"))
    })
}

/// serde's text without what it quotes of a document's content, which may be a citizen's number: `invalid
/// type: integer, expected a string`. A member's unknown name stays, unless it has a number's digits.
pub(crate) fn without_content(text: &str) -> String {
    let digits =
        |text: &str| text.as_bytes().windows(5).any(|it| it.iter().all(u8::is_ascii_digit));
    let unknown = text.starts_with("unknown ") && digits(text);
    if !(text.starts_with("invalid ") || unknown) {
        return text.to_owned();
    }
    let (got, expected) = match text.find(", expected") {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let kind = got.split(['`', '"']).next().unwrap_or_default().trim_end();
    format!("{kind}{expected}")
}

/// Checks the one `Content-Type`; parameters other than a charset of UTF-8 are refused.
pub(super) fn require_content_type(
    headers: &HeaderMap,
    expected: &'static str,
) -> Result<(), Problem> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let sole = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    let (essence, parameter) = sole.map_or(("", None), |value| match value.split_once(';') {
        Some((essence, parameter)) => (essence.trim(), Some(parameter.trim())),
        None => (value.trim(), None),
    });
    let plain = parameter.is_none_or(|text| {
        [JSON, CSV].contains(&expected)
            && (text.eq_ignore_ascii_case("charset=utf-8")
                || text.eq_ignore_ascii_case("charset=\"utf-8\""))
    });
    if essence.eq_ignore_ascii_case(expected) && plain {
        Ok(())
    } else {
        Err(Problem::new("content-type", format_args!("expected {expected}")))
    }
}

/// A response with a JSON document that nobody may keep.
pub(super) fn json_response(status: StatusCode, document: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(document) {
        Ok(bytes) => {
            let mut response = typed(status, JSON, Body::from(bytes));
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(error) => response_of(&Problem::internal(&error)),
    }
}

/// A response with a body of that content type.
pub(super) fn typed(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn response_of(problem: &Problem) -> Response<Body> {
    problem.to_response().map(Body::from)
}

/// A payload that is being received, chunk by chunk, as the client sends it.
#[derive(Debug)]
pub struct Upload {
    body: Body,
    limit: u64,
    left: u64,
    stall_time: Duration,
}

impl Upload {
    /// A payload under the limits, which is refused at once if it is announced to be too long.
    pub(super) fn new(body: Body, limits: &Limits) -> Result<Self, Problem> {
        let limit = limits.payload_bytes;
        if body.size_hint().lower() > limit {
            return Err(too_large(limit));
        }
        Ok(Self { body, limit, left: limit, stall_time: limits.stall_time })
    }

    /// A file of any length, which only must not stand still.
    pub(super) fn endless(body: Body, limits: &Limits) -> Self {
        Self { body, limit: u64::MAX, left: u64::MAX, stall_time: limits.stall_time }
    }

    /// Reads what is left and forgets it: a client that still sends does not read an answer.
    pub(super) async fn discard(&mut self) {
        while let Ok(Some(_)) = self.next().await {}
    }

    /// The next chunk, of any length above 0; `None` after the last one, and only then is the payload
    /// whole.
    ///
    /// # Errors
    /// A [`Problem`] if the payload is too long, stands still or breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let frame = timeout(self.stall_time, self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| too_slow())? else { return Ok(None) };
            let Ok(chunk) = frame.map_err(|_| unread())?.into_data() else { continue };
            if chunk.is_empty() {
                continue;
            }
            let length = u64::try_from(chunk.len()).expect("lengths fit 64 bits");
            self.left = self.left.checked_sub(length).ok_or_else(|| too_large(self.limit))?;
            return Ok(Some(chunk));
        }
    }
}

/// A payload that is being sent, chunk by chunk, as fast as the client takes it.
///
/// Whoever makes the chunks may be a blocking thread. Closing the channel early cuts the response off
/// in a way that the client sees, for its length was announced.
#[derive(Debug)]
pub struct Download {
    /// Length of the payload.
    pub bytes: u64,
    /// Where the chunks begin: after so many bytes, which are not more than there are.
    pub from: u64,
    /// The chunks from there to the end.
    pub chunks: mpsc::Receiver<Bytes>,
}

impl Download {
    pub(super) fn into_response(self) -> Response<Body> {
        let Self { bytes, from, chunks } = self;
        let left = bytes.saturating_sub(from);
        let mut response = typed(StatusCode::OK, OCTETS, Body::new(Chunks { left, chunks }));
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(left));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if from > 0 {
            let range = format!("bytes {from}-{}/{bytes}", bytes.saturating_sub(1));
            let range = HeaderValue::try_from(range).expect("digits are visible ASCII");
            headers.insert(CONTENT_RANGE, range);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        response
    }
}

/// The place `N` in `Range: bytes=N-`. Every other range is ignored, as RFC 9110, section 14.2, permits:
/// then all is sent.
pub(super) fn range_start(headers: &HeaderMap) -> u64 {
    let mut ranges = headers.get_all(RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return 0 };
    let start = range.to_str().ok().and_then(|it| it.strip_prefix("bytes=")?.strip_suffix('-'));
    let digits = start.filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

struct Chunks {
    left: u64,
    chunks: mpsc::Receiver<Bytes>,
}

/// A payload is not as long as was announced.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the payload is not as long as announced")]
struct LengthError;

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = LengthError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, LengthError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.chunks.poll_recv(context).map(|chunk| {
            let chunk = chunk.ok_or(LengthError).and_then(|chunk| {
                let length = u64::try_from(chunk.len()).expect("lengths fit 64 bits");
                self.left = self.left.checked_sub(length).ok_or(LengthError)?;
                Ok(Frame::data(chunk))
            });
            Some(chunk)
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Point {
        x: u8,
    }

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|&value| (CONTENT_TYPE, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn json_errors_name_the_place_and_what_was_expected() {
        let detail = |text: &str| {
            let problem = parse_json::<Point>(text.as_bytes()).unwrap_err();
            assert_eq!(problem.code(), "json");
            problem.detail().to_owned()
        };
        assert_eq!(parse_json(b"{\"x\":1}"), Ok(Point { x: 1 }));
        assert_eq!(detail("{\n \"y\": 1}"), "line 2, column 4: unknown field `y`, expected `x`");
        assert_eq!(detail("{\"x\":\"a\"}"), "line 1, column 8: invalid type: string, expected u8");
        assert_eq!(detail("{}"), "line 1, column 2: missing field `x`");
        assert_eq!(detail("{\"12345\":1}"), "line 1, column 8: unknown field, expected `x`");
        assert_eq!(
            detail("{\"x\":12345}"),
            "line 1, column 10: invalid value: integer, expected u8"
        );
        assert_eq!(detail("{\"x\":1} 2"), "line 1, column 9: trailing characters");
        assert_eq!(detail("{\"x\":1,\"x\":1}"), "line 1, column 10: duplicate field `x`");
    }

    #[test]
    fn only_the_expected_content_type_is_taken() {
        let json = |values: &[&'static str]| require_content_type(&headers(values), JSON).is_ok();
        assert!(json(&["application/json"]));
        assert!(json(&["Application/JSON; charset=UTF-8"]));
        assert!(!json(&[]));
        assert!(!json(&["text/plain"]));
        assert!(!json(&["application/json", "application/json"]));
        assert!(!json(&["application/json; charset=latin1"]));
        assert!(!json(&["application/jsonl"]));
        assert!(require_content_type(&headers(&["application/octet-stream"]), OCTETS).is_ok());
        let parameter = headers(&["application/octet-stream; charset=utf-8"]);
        assert!(require_content_type(&parameter, OCTETS).is_err());
    }

    #[tokio::test]
    async fn a_download_that_ends_early_or_late_is_an_error() {
        for (announced, good) in [(3, false), (2, true), (1, false)] {
            let (sender, chunks) = mpsc::channel(2);
            sender.send(Bytes::from_static(b"ab")).await.unwrap();
            drop(sender);
            let response = Download { bytes: announced, from: 0, chunks }.into_response();
            assert_eq!(response.headers()[CONTENT_LENGTH], announced.to_string());
            assert_eq!(response.into_body().collect().await.is_ok(), good, "{announced}");
        }
    }

    #[tokio::test]
    async fn a_download_from_a_place_on_says_where_it_begins() {
        let (sender, chunks) = mpsc::channel(2);
        sender.send(Bytes::from_static(b"cd")).await.unwrap();
        drop(sender);
        let response = Download { bytes: 4, from: 2, chunks }.into_response();
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(response.headers()[CONTENT_RANGE], "bytes 2-3/4");
        assert_eq!(response.headers()[CONTENT_LENGTH], "2");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "cd");
    }

    #[test]
    fn only_a_range_to_the_end_counts() {
        let start = |values: &[&'static str]| {
            let header = |value: &&'static str| (RANGE, HeaderValue::from_static(value));
            range_start(&values.iter().map(header).collect())
        };
        assert_eq!((start(&["bytes=0-"]), start(&["bytes=70000-"])), (0, 70_000));
        for other in ["", "7", "bytes=7", "bytes=-7", "bytes=7-9", "bytes=7-,9-", "bytes=+7-"] {
            assert_eq!(start(&[other]), 0, "{other}");
        }
        assert_eq!((start(&[]), start(&["bytes=7-", "bytes=7-"])), (0, 0));
        assert_eq!(start(&["bytes=18446744073709551616-"]), 0);
    }

    #[tokio::test]
    async fn an_upload_is_cut_at_its_limit() {
        for (limit, good) in [(1, false), (2, true)] {
            let (sender, chunks) = mpsc::channel(2);
            sender.send(Bytes::from_static(b"a")).await.unwrap();
            sender.send(Bytes::from_static(b"b")).await.unwrap();
            drop(sender);
            let limits = Limits { payload_bytes: limit, ..Limits::default() };
            let mut upload = Upload::new(Body::empty(), &limits).unwrap();
            upload.body = Body::new(Chunks { left: 2, chunks });
            assert_eq!(upload.next().await, Ok(Some(Bytes::from_static(b"a"))));
            match upload.next().await {
                Ok(chunk) => assert!(good && chunk == Some(Bytes::from_static(b"b"))),
                Err(problem) => assert!(!good && problem.code() == "body-too-large"),
            }
            if good {
                assert_eq!(upload.next().await, Ok(None));
            }
        }
    }
}
