use std::{
    pin::pin,
    task::{Context, Waker},
};

use flate2::read::{GzDecoder, ZlibDecoder};
use socketio_proto::edge::{HeaderList, Machine, Message};

use super::*;
use crate::{
    clock::Clock,
    service::tests::{PATH, engine, get, sid_of},
};

fn asking(values: &[&'static str]) -> HeaderMap {
    values
        .iter()
        .map(|value| (header::ACCEPT_ENCODING, HeaderValue::from_static(value)))
        .collect()
}

fn answer(kind: ResponseKind, compress: bool, length: usize) -> Response {
    Response {
        status: 200,
        kind,
        compress,
        content_type: None,
        headers: HeaderList::new(),
        body: vec![b'x'; length].into(),
    }
}

fn decoded(encoding: Encoding, data: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match encoding {
        Encoding::Deflate => ZlibDecoder::new(data).read_to_end(&mut plain),
        Encoding::Gzip => GzDecoder::new(data).read_to_end(&mut plain),
    }
    .unwrap();
    plain
}

#[test]
fn the_encoding_is_the_one_that_the_client_likes_best() {
    use Encoding::{Deflate, Gzip};
    let table: [(&[&str], Option<Encoding>); 27] = [
        (&[], None),
        (&[""], None),
        (&["gzip"], Some(Gzip)),
        (&["GZip"], Some(Gzip)),
        (&["deflate"], Some(Deflate)),
        (&["gzip, deflate"], Some(Gzip)),
        (&["deflate, gzip"], Some(Gzip)),
        (&["deflate,gzip , br"], Some(Gzip)),
        (&["deflate", "gzip"], Some(Gzip)),
        (&["gzip;q=0.5, deflate"], Some(Deflate)),
        (&["gzip;q=0.5, deflate;q=0.501"], Some(Deflate)),
        (&["gzip;q=0.5", "deflate;q=0.8"], Some(Deflate)),
        (&["gzip ; q=0.8, deflate; Q=0.5"], Some(Gzip)),
        (&["gzip;q=0"], None),
        (&["gzip;q=0.000, deflate;q=0.0"], None),
        (&["gzip;q=0, deflate"], Some(Deflate)),
        (&["*"], Some(Gzip)),
        (&["*;q=0.1"], Some(Gzip)),
        (&["*;q=0"], None),
        (&["gzip;q=0, *"], Some(Deflate)),
        (&["gzip;q=0.1, *"], Some(Deflate)),
        (&["deflate, *;q=0.5"], Some(Deflate)),
        (&["identity"], None),
        (&["br"], None),
        // A weight that is none makes a coding that was not named.
        (&["gzip;q=2"], None),
        (&["gzip;q=high, deflate;q=0.1"], Some(Deflate)),
        (&["gzip;q=0.1234"], None),
    ];
    for (values, encoding) in table {
        assert_eq!(Encoding::preferred(&asking(values)), encoding, "{values:?}");
    }
}

#[test]
fn what_is_encoded_decodes_to_the_same_bytes() {
    let seed = crate::seed().unwrap();
    let noise: Vec<u8> = (0..200_000_usize)
        .map(|i| seed[i % 32].rotate_left(u32::try_from(i % 8).unwrap()) ^ seed[i / 32 % 32])
        .collect();
    for length in [0, 1, 1_024, 65_536, 200_000] {
        for data in [&noise[..length], &vec![b'a'; length]] {
            for encoding in [Encoding::Gzip, Encoding::Deflate] {
                let encoded = encoding.encode(data).unwrap();
                assert!(decoded(encoding, &encoded) == data, "{encoding:?} {length}");
            }
        }
    }
}

#[tokio::test]
async fn only_answers_to_polls_from_the_threshold_on_are_compressed() {
    use ResponseKind::{Data, Handshake, Poll, Refused};
    for (kind, may, length, is_due) in [
        (Poll, true, 1_023, false),
        (Poll, true, 1_024, true),
        (Poll, false, 1_024, false),
        (Handshake, true, 1_024, true),
        (Data, true, 1_024, false),
        (Refused, true, 1_024, false),
    ] {
        let encoder = Compression::new().of(&asking(&["gzip"]));
        let (mut answer, mut headers) = (answer(kind, may, length), HeaderMap::new());

        encoder.encode(&mut answer, &mut headers).await;

        let what = format!("{kind:?} {may} {length}");
        assert_eq!(headers.contains_key("content-encoding"), is_due, "{what}");
        assert_eq!(headers.contains_key("vary"), is_due, "{what}");
        assert_eq!(answer.body.len() < length, is_due, "{what}");
    }
}

#[tokio::test]
async fn a_body_may_vary_also_where_it_was_not_compressed() {
    let encoder = Compression::new().threshold(0).of(&HeaderMap::new());
    let (mut answer, mut headers) = (answer(ResponseKind::Poll, true, 3), HeaderMap::new());

    encoder.encode(&mut answer, &mut headers).await;

    assert_eq!(answer.body, "xxx");
    assert_eq!(headers["vary"], "accept-encoding");
    assert!(!headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn large_bodies_wait_for_their_turn_and_small_ones_do_not() {
    let compression = Compression::new();
    let jobs = Arc::clone(&compression.jobs);
    let all = u32::try_from(jobs.available_permits()).unwrap();
    let busy = jobs.acquire_many(all).await.unwrap();
    let run = |length| compression.run(vec![b'x'; length].into(), Encoding::Gzip);

    assert!(run(MAX_INLINE).await.is_some());
    let mut large = pin!(run(MAX_INLINE + 1));
    tokio::select! {
        biased;
        _ = &mut large => panic!("it has no place"),
        () = tokio::task::yield_now() => {}
    }
    drop(busy);

    let large = large.await.unwrap();
    assert_eq!(decoded(Encoding::Gzip, &large).len(), MAX_INLINE + 1);
}

#[tokio::test]
async fn where_compressing_fails_the_body_is_sent_as_it_is() {
    let compression = Compression::new();
    compression.jobs.close();
    let encoder = compression.of(&asking(&["gzip"]));
    let length = MAX_INLINE + 1;
    let (mut answer, mut headers) = (answer(ResponseKind::Poll, true, length), HeaderMap::new());

    encoder.encode(&mut answer, &mut headers).await;

    assert_eq!(answer.body.len(), length);
    assert!(!headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn a_client_that_leaves_while_its_answer_is_compressed_is_gone() {
    let compression = Compression::new();
    let jobs = Arc::clone(&compression.jobs);
    let all = u32::try_from(jobs.available_permits()).unwrap();
    let _busy = jobs.acquire_many(all).await.unwrap();
    let service = engine(Clock::start()).compression(compression);
    let open = get(&service, PATH, &[]).await;
    let large = Message::Binary(vec![0; MAX_INLINE].into());
    service.driver().with_handler(|server, opened, now| {
        server.send(now, opened.0.unwrap(), large).unwrap();
    });
    let target = format!("{PATH}&sid={}", sid_of(&open));
    let sessions = || service.driver().with(|server, _| server.sessions());

    let mut poll = Box::pin(get(&service, &target, &[("accept-encoding", "gzip")]));
    let waker = Waker::noop();
    assert!(
        poll.as_mut()
            .poll(&mut Context::from_waker(waker))
            .is_pending()
    );
    assert_eq!(sessions(), 1, "it waits");
    drop(poll);

    assert_eq!(sessions(), 0, "its answer is lost");
}
