//! Uploads that end, rest and go on, and the limits of the shelf.

use super::*;

const NOBODY_ELSE: &str = "ada";

fn label(data: &[u8]) -> Label {
    Label {
        name: "letter.txt".into(),
        size: data.len(),
        hash: Sha1::from(data).digest().to_string(),
    }
}

fn announced(size: usize) -> Label {
    Label { size, ..label(b"") }
}

#[allow(clippy::unnecessary_wraps, reason = "it is compared with results")]
fn waiting(offset: usize) -> Result<Progress, Refused> {
    Ok(Progress::Waiting { offset })
}

/// Sends a whole file at once.
fn put(shelf: &mut Shelf<&'static str>, token: &str, data: &[u8]) -> File {
    shelf.begin(NOBODY_ELSE, token.into(), label(data)).unwrap();
    match shelf.write(&NOBODY_ELSE, token, 0, data) {
        Ok(Progress::Arrived(file)) => file,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_comes_in_chunks_and_its_hash_is_checked() {
    let mut shelf = Shelf::new();
    shelf
        .begin("ada", "1".into(), label(b"hello world"))
        .unwrap();

    assert_eq!(shelf.write(&"ada", "1", 0, b"hello "), waiting(6));
    let Ok(Progress::Arrived(file)) = shelf.write(&"ada", "1", 6, b"world") else {
        panic!("all is there");
    };
    assert_eq!(&*file.data, b"hello world");
    assert_eq!(shelf.file(file.id), Ok(file));

    shelf.begin("ada", "2".into(), label(b"hello")).unwrap();
    assert_eq!(shelf.write(&"ada", "2", 0, b"hallo"), Err(Refused::Damaged));
    assert_eq!(shelf.resume("ada", "2"), Err(Refused::UnknownUpload));
    assert_eq!(shelf.files().len(), 1);
}

#[test]
fn a_chunk_has_its_place_its_size_and_its_sender() {
    let mut shelf = Shelf::new();
    shelf
        .begin("ada", "1".into(), announced(CHUNK_LIMIT + 5))
        .unwrap();
    let long = vec![0; CHUNK_LIMIT + 1];
    let mut write = |sender, offset, data: &[u8]| shelf.write(&sender, "1", offset, data);

    assert_eq!(write("eve", 0, b"x"), Err(Refused::UnknownUpload));
    assert_eq!(write("ada", 1, b"x"), Err(Refused::WrongOffset));
    assert_eq!(write("ada", 0, b""), Err(Refused::InvalidChunk));
    assert_eq!(write("ada", 0, &long), Err(Refused::InvalidChunk));
    assert_eq!(write("ada", 0, &long[1..]), waiting(CHUNK_LIMIT));
    assert_eq!(
        write("ada", CHUNK_LIMIT, &[0; 6]),
        Err(Refused::InvalidChunk)
    );
    assert_eq!(write("ada", 0, b"x"), Err(Refused::WrongOffset));
}

#[test]
fn who_is_back_goes_on_and_the_old_connection_does_not() {
    let mut shelf = Shelf::new();
    shelf.begin("old", "1".into(), label(b"hello")).unwrap();
    shelf.write(&"old", "1", 0, b"he").unwrap();

    assert_eq!(shelf.resume("new", "1"), waiting(2));

    let late = shelf.write(&"old", "1", 2, b"l");
    assert_eq!(late, Err(Refused::UnknownUpload));
    shelf.cancel(&"old", "1");
    shelf.abandon(&"old");
    let arrived = shelf.write(&"new", "1", 2, b"llo").unwrap();
    // The answer was lost: whoever asks again learns that it has arrived.
    assert_eq!(shelf.resume("newer", "1"), Ok(arrived));
}

#[test]
fn labels_keep_the_rules_and_a_name_is_no_path() {
    let mut shelf = Shelf::new();
    let mut begin = |name: &str, size, hash: &str| {
        let label = Label {
            name: name.into(),
            size,
            hash: hash.into(),
        };
        shelf.begin("ada", "1".into(), label)
    };
    let hash = "0123456789abcdef0123456789ABCDEF01234567";
    let long = "é".repeat(NAME_LENGTH + 1);

    for name in ["", "a\nb", "a\0", &long] {
        assert_eq!(begin(name, 1, hash), Err(Refused::InvalidLabel), "{name:?}");
    }
    assert_eq!(begin("a", 0, hash), Err(Refused::InvalidLabel));
    assert_eq!(begin("a", 1, "12"), Err(Refused::InvalidLabel));
    assert_eq!(begin("a", FILE_LIMIT + 1, hash), Err(Refused::TooLarge));
    assert_eq!(begin("../../etc/passwd", FILE_LIMIT, hash), Ok(()));
}

#[test]
fn one_sender_has_so_many_uploads_and_no_more() {
    let mut shelf = Shelf::new();
    for token in 0..UPLOADS_OF_ONE_LIMIT {
        shelf.begin("ada", token.to_string(), announced(1)).unwrap();
    }
    let refused = shelf.begin("ada", "x".into(), announced(1));
    assert_eq!(refused, Err(Refused::TooManyUploads));
    assert_eq!(shelf.begin("bob", "y".into(), announced(1)), Ok(()));

    shelf.cancel(&"ada", "0");
    assert_eq!(shelf.begin("ada", "x".into(), announced(1)), Ok(()));
}

#[test]
fn resting_uploads_and_then_the_oldest_files_make_room() {
    let mut shelf = Shelf::new();
    let old = put(&mut shelf, "f", b"old");
    shelf
        .begin("ada", "a".into(), announced(FILE_LIMIT))
        .unwrap();
    shelf
        .begin("bob", "b".into(), announced(FILE_LIMIT))
        .unwrap();
    shelf
        .begin("cem", "c".into(), announced(FILE_LIMIT))
        .unwrap();
    shelf.abandon(&"bob");
    shelf.abandon(&"ada");

    // The one that was touched first goes, and that is enough.
    shelf
        .begin("dan", "d".into(), announced(FILE_LIMIT))
        .unwrap();
    assert_eq!(shelf.resume("ada", "a"), Err(Refused::UnknownUpload));
    assert_eq!(shelf.resume("bob", "b"), waiting(0));
    assert!(shelf.file(old.id).is_ok());

    // Nobody rests: the file goes, and then there is nothing left.
    shelf
        .begin("eve", "e".into(), announced(FILE_LIMIT))
        .unwrap();
    assert_eq!(shelf.file(old.id), Err(Refused::UnknownFile));
    assert_eq!(shelf.used(), SHELF_LIMIT);
    let refused = shelf.begin("fay", "x".into(), announced(1));
    assert_eq!(refused, Err(Refused::Full));
}

#[test]
fn there_are_so_many_files_and_uploads_and_no_more() {
    let mut shelf = Shelf::new();
    for number in 0..=FILES_LIMIT {
        put(&mut shelf, &number.to_string(), b"x");
    }
    assert_eq!(shelf.files().len(), FILES_LIMIT);
    assert_eq!(shelf.files()[0].id, 2);

    let mut senders: Vec<_> = (0..UPLOADS_LIMIT).map(|it| it.to_string()).collect();
    let mut shelf = Shelf::new();
    for sender in senders.drain(..) {
        shelf.begin(sender.clone(), sender, announced(1)).unwrap();
    }
    let refused = shelf.begin("x".to_owned(), "x".into(), announced(1));
    assert_eq!(refused, Err(Refused::Full));
    shelf.abandon(&"7".to_owned());
    assert_eq!(shelf.begin("x".into(), "x".into(), announced(1)), Ok(()));
}
