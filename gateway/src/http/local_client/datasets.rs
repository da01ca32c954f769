//! A department's datasets from the other end.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use ::http::{Method, Response};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, Incoming};
use serde::Deserialize;
use tokio::io::{AsyncRead, ReadBuf};

use super::{Called, LocalClient, LocalClientError};
use crate::http::client::PeerProblem;
use crate::http::local::datasets::{DatasetView, ImportQuery, Imported, RejectedRow, content_type};
use crate::import::Format;

/// Bytes that are read from a file at once.
const PIECE: usize = 64 * 1024;

impl LocalClient {
    /// The department's datasets.
    ///
    /// # Errors
    /// [`LocalClientError`]
    pub async fn datasets(&self) -> Called<Vec<DatasetView>> {
        self.get("/v1/datasets").await
    }

    /// Has a file imported while it is being read: all of it or nothing. Takes as long as it takes, for
    /// the gateway reads as fast as it hashes; it cuts off what stands still.
    ///
    /// `sent` is told the bytes sent so far, again and again. After the last one the gateway still has
    /// the tree to hash. If the future is dropped before, nothing is imported.
    ///
    /// # Errors
    /// [`LocalClientError::Rejected`] with all rejected rows, or any other [`LocalClientError`].
    pub async fn import(
        &self,
        dataset: &str,
        how: ImportQuery,
        file: impl AsyncRead + Send + Unpin + 'static,
        sent: impl FnMut(u64) + Send + Unpin + 'static,
    ) -> Called<Imported> {
        let format = match how.format {
            Format::Csv => "csv",
            Format::JsonLines => "json-lines",
        };
        let skip_bad = how.skip_bad;
        let dataset = segment(dataset);
        let target = format!("/v1/datasets/{dataset}/records?format={format}&skip_bad={skip_bad}");
        let request =
            self.request(Method::POST, &target, Bytes::new(), content_type(how.format))?;
        let unread = Arc::new(OnceLock::new());
        let body = Sending { file, sent, bytes: 0, unread: Arc::clone(&unread) };
        let response = self.transport.send_stream(request.map(|_| body.boxed_unsync())).await;
        let response = response.map_err(|_| match unread.get() {
            Some(kind) => LocalClientError::Source { kind: *kind },
            None => LocalClientError::Unreachable,
        })?;
        self.read_imported(response).await
    }

    async fn read_imported(&self, response: Response<Incoming>) -> Called<Imported> {
        /// What a refusal may have besides what all refusals have.
        #[derive(Deserialize)]
        struct Rejects {
            rejected: Vec<RejectedRow>,
        }
        let (status, limit) = (response.status(), self.limits.body_bytes);
        let body = Limited::new(response.into_body(), limit).collect().await;
        let body = body.map_err(|_| LocalClientError::Body { limit })?.to_bytes();
        let unexpected = LocalClientError::Unexpected { status: status.as_u16() };
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| unexpected);
        }
        let problem = PeerProblem::read(status, &body).ok_or(unexpected)?;
        Err(match serde_json::from_slice(&body) {
            Ok(Rejects { rejected }) => LocalClientError::Rejected { problem, rejected },
            Err(_) => LocalClientError::Problem(problem),
        })
    }
}

/// A name as a segment of a path (RFC 3986, section 3.3).
fn segment(name: &str) -> String {
    name.bytes().fold(String::new(), |mut segment, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => segment.push(byte.into()),
            _ => segment += &format!("%{byte:02X}"),
        }
        segment
    })
}

/// A file as a body.
struct Sending<R, F> {
    file: R,
    sent: F,
    bytes: u64,
    /// Why the file could not be read on.
    unread: Arc<OnceLock<io::ErrorKind>>,
}

impl<R: AsyncRead + Unpin, F: FnMut(u64) + Unpin> Body for Sending<R, F> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        // What was handed over before is on its way.
        let bytes = self.bytes;
        (self.sent)(bytes);
        let mut piece = BytesMut::zeroed(PIECE);
        let mut buffer = ReadBuf::new(&mut piece);
        if let Err(error) = ready!(Pin::new(&mut self.file).poll_read(context, &mut buffer)) {
            let _first = self.unread.set(error.kind());
            return Poll::Ready(Some(Err(error)));
        }
        let length = buffer.filled().len();
        if length == 0 {
            return Poll::Ready(None);
        }
        piece.truncate(length);
        self.bytes += u64::try_from(length).expect("lengths fit 64 bits");
        Poll::Ready(Some(Ok(Frame::data(piece.freeze()))))
    }
}
