"""What an encoded image may ask of the decoder, from its header, in TensorFlow operations only.

A few kilobytes can decode to gigabytes, or take minutes. An exported model checks its requests
with these functions before it decodes them.
"""

import tensorflow as tf

# Pixels of an image that is decoded as a whole: 5792 x 5792, or A4 at 600 dots per inch less a
# margin. A transparent one takes 25 bytes for each.
MOST_PIXELS = 2**25
# A JPEG may have more, since it is decoded at a part of its size. All pixels are read in each
# scan, of which a progressive one has about 10.
MOST_JPEG_PIXELS, MOST_SCANNED_PIXELS = 2**30 // 4 // 3, 2**30
_LEAST_SCANNED = 2**20  # a scan takes its time for a small image too
# Texts and profiles that a PNG may hold compressed: each can decompress to 8 MB.
MOST_TEXTS = 16
# Steps to the end of the first frame of a GIF; one step passes 256 blocks of equal length.
_MOST_STEPS, _BLOCKS_A_STEP = 1000, 256
_END_OF_GIF = b";"
# Larger images are decoded one after the other.
_MANY_PIXELS = 2**22
# Of a file that may be shorter than its header.
_PADDING = b"\0" * 32
_FAULTS = (
    "",
    " is not a JPEG, PNG, GIF or BMP.",
    f" has more than {MOST_SCANNED_PIXELS} pixels in all of its scans.",
    f" has more than {MOST_TEXTS} compressed texts.",
    f" has more than {_MOST_STEPS} groups of blocks in its first frame.",
    " is an animated WebP.",
)
_NONE, _FORMAT, _SCANS, _TEXTS, _STEPS, _ANIMATED = range(len(_FAULTS))


def map_images(decode, encoded):
    """`decode` of each image of a batch: one at a time if one of them is large.

    Args:
        decode: a function from an encoded image, a scalar string, to a float32 tensor.
        encoded: a string tensor of shape `(batch,)`.

    Returns:
        A float32 tensor with a first axis for the batch.

    Raises:
        tf.errors.InvalidArgumentError: when it runs, for an image in another format than JPEG,
            PNG, GIF, BMP or WebP, and for one beyond the limits of this module; the message
            gives the position of the first of them in the batch. Nothing is decoded then.
    """
    kinds = _kinds(encoded)
    pixels, faults, ends = tf.map_fn(
        lambda one: tf.switch_case(one[0], [lambda m=m: m(one[1]) for m in (*_STARTS, _other)]),
        (kinds, encoded),
        fn_output_signature=(tf.int64, tf.int32, tf.int32),
    )
    with tf.control_dependencies([_assert_none(kinds, pixels, faults)]):
        encoded = tf.cond(
            tf.reduce_any(ends > 0), lambda: _cut(encoded, ends), lambda: tf.identity(encoded)
        )

    def mapped(parallel):
        return lambda: tf.map_fn(
            decode, encoded, fn_output_signature=tf.float32, parallel_iterations=parallel
        )

    return tf.cond(tf.reduce_any(pixels > _MANY_PIXELS), mapped(1), mapped(10))


def _header(contents):
    return tf.strings.substr(contents, 0, len(_PADDING)) + _PADDING


def _kinds(encoded):
    """The format of each image, as a position in `_STARTS`; their number for another one."""
    headers = _header(encoded)
    begins = [tf.strings.substr(headers, 0, len(start)) == start for start in _STARTS.values()]
    begins.append(tf.ones_like(begins[0]))
    return tf.argmax(tf.cast(begins, "int32"), output_type=tf.int32)  # the first


def _assert_none(kinds, pixels, faults):
    """Raises what is wrong with the first image that is refused, when it runs."""
    most = tf.where(kinds == 0, MOST_JPEG_PIXELS, MOST_PIXELS)
    too_many = pixels > tf.cast(most, "int64")
    first = tf.where(too_many | (faults > 0))[:1, 0]
    count, limit = (tf.strings.as_string(tf.gather(each, first)) for each in (pixels, most))
    size = tf.strings.join([" has ", count, " pixels, more than ", limit, "."])
    reason = tf.where(
        tf.gather(too_many, first), size, tf.gather(_FAULTS, tf.gather(faults, first))
    )
    message = tf.strings.join(
        ["Image ", tf.strings.as_string(first), " of the request", reason]
    )
    return tf.Assert(tf.size(first) == 0, [message])


def _cut(encoded, ends):
    cut = tf.strings.substr(encoded, tf.zeros_like(ends), ends) + _END_OF_GIF
    return tf.where(ends > 0, cut, encoded)


def _numbers(contents, start, size, dtype="int32", little_endian=True):
    """The numbers in `size` bytes of a header, as int64."""
    digits = tf.strings.substr(_header(contents), start, size)
    return tf.cast(tf.io.decode_raw(digits, dtype, little_endian), "int64")


# Of an encoded image of a format: its pixels, its fault, and where it may be cut or 0.


def _jpeg(contents):
    pixels = tf.reduce_prod(tf.cast(tf.image.extract_jpeg_shape(contents)[:2], "int64"))
    # The header of a scan, up to its length. In other data, such as a film behind the image,
    # these bytes stand once in 16 million.
    parts = tf.raw_ops.StringSplitV2(input=[contents], sep=b"\xff\xda\x00").values
    scans = tf.size(parts, tf.int64) - 1
    too_many = scans * tf.maximum(pixels, _LEAST_SCANNED) > MOST_SCANNED_PIXELS
    return pixels, tf.where(too_many, _SCANS, _NONE), 0


def _png(contents):
    pattern = rb"(?:\C*?(?:zTXt|iTXt|iCCP)){%d}\C*" % (MOST_TEXTS + 1)
    too_many = tf.strings.regex_full_match(contents, pattern)
    pixels = tf.reduce_prod(_numbers(contents, 16, 8, little_endian=False))
    return pixels, tf.where(too_many, _TEXTS, _NONE), 0


def _bmp(contents):
    # The height is negative for an image from top to bottom.
    return tf.abs(tf.reduce_prod(_numbers(contents, 18, 8))), _NONE, 0


def _webp(contents):
    def canvas():
        sides = tf.strings.substr(_header(contents), [24, 27], [3, 3]) + b"\0"
        return tf.reduce_prod(tf.cast(tf.io.decode_raw(sides, "int32"), "int64") + 1)

    def lossless():
        bits = _numbers(contents, 21, 4)[0] % 2**32
        return (bits % 2**14 + 1) * (bits // 2**14 % 2**14 + 1)

    def lossy():
        return tf.reduce_prod(_numbers(contents, 26, 4, "uint16") % 2**14)

    kind = tf.strings.substr(_header(contents), 12, 4)
    pixels = tf.case([(kind == b"VP8X", canvas), (kind == b"VP8L", lossless)], default=lossy)
    # TensorFlow writes all frames into the memory for one.
    flags = _numbers(contents, 20, 1, "uint8")[0]
    is_animated = (kind == b"VP8X") & (flags // 2 % 2 == 1)
    return pixels, tf.where(is_animated, _ANIMATED, _NONE), 0


def _other(contents):
    del contents
    return tf.constant(0, "int64"), _FORMAT, 0


def _gif(contents):
    """Cuts a GIF after its first frame: the decoder would decode all frames, to drop them."""
    data = tf.io.decode_raw(contents + _PADDING, "uint8")
    limit = tf.size(data) - len(_PADDING)

    def byte(position):
        return tf.cast(tf.gather(data, tf.clip_by_value(position, 0, limit)), "int32")

    def colors(position):
        """The bytes of a table of colors, by the flags at a position."""
        flags = byte(position)
        return tf.where(flags > 127, 3 * 2 ** (flags % 8 + 1), 0)

    def passed(position, left):
        """The position after a list of blocks; a block is its length and as many bytes."""

        def step(position, left):
            length = byte(position)
            places = position + (length + 1) * tf.range(1, _BLOCKS_A_STEP + 1)
            others = tf.where((byte(places) != length) | (places >= limit))[:, 0]
            following = tf.concat([tf.cast(others, "int32"), [_BLOCKS_A_STEP - 1]], 0)[0]
            return places[following], left - 1

        def has_block(position, left):
            return (byte(position) > 0) & (position < limit) & (left > 0)

        position, left = tf.while_loop(has_block, step, [position, left])
        return position + 1, left - 1

    position, left = tf.while_loop(
        lambda position, left: (byte(position) == ord("!")) & (position < limit) & (left > 0),
        lambda position, left: passed(position + 2, left),
        [13 + colors(10), tf.constant(_MOST_STEPS)],
    )
    corner = tf.strings.substr(contents, tf.minimum(position, limit), 9)
    pixels = tf.reduce_prod(_numbers(corner, 5, 4, "uint16"))
    end, left = passed(position + 11 + colors(position + 9), left)
    is_frame = byte(position) == ord(",")
    return tf.where(is_frame, pixels, 0), tf.where(left > 0, _NONE, _STEPS), end


_STARTS = {
    _jpeg: b"\xff\xd8\xff", _png: b"\x89PNG\r\n\x1a\n", _gif: b"GIF8", _bmp: b"BM",
    _webp: b"RIFF",
}  # fmt: skip
