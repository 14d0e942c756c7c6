import numpy as np
import pytest
import soundfile

from keras_transfer import data

RATE = 8000


def tone(hertz, seconds=0.5, rate=RATE):
    return (np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate) / 2)[:, None]


@pytest.fixture
def sounds(tmp_path):
    """Six low and six high tones of three speakers, in several formats."""
    for name, hertz in (("low", 200), ("high", 1500)):
        (tmp_path / name).mkdir()
        for number in range(6):
            suffix = (".wav", ".flac", ".ogg")[number % 3]
            path = tmp_path / name / f"speaker{number // 2}_{number}{suffix}"
            soundfile.write(path, tone(hertz + 20 * number), RATE)
    return tmp_path


def speaker(path):
    return path.rsplit("/", 1)[-1].split("_")[0]


def test_sounds_have_one_length_and_rate(sounds):
    splits = data.audio_folder(sounds, seconds=0.75, sample_rate=16_000, validation_split=None)
    given, labels = next(iter(splits.train_in_order))
    assert given.shape == (12, 12_000) and given.dtype == np.float32
    assert labels.numpy().tolist() == [0] * 6 + [1] * 6 and splits.class_names[1] == "low"
    # Half a second of sound after a quarter of silence; the frequency is kept.
    assert not given[:, :3900].numpy().any()
    spectrum = np.abs(np.fft.rfft(given[0, 4000:].numpy()))
    assert spectrum.argmax() * 16_000 / 8000 == pytest.approx(1500, abs=4)


def test_groups_are_on_one_side_and_copies_stay_together(sounds):
    splits = data.audio_folder(sounds, group=speaker, validation_split=0.3)
    train, validation = (set(splits.groups[split]) for split in ("train", "validation"))
    assert train and validation and not train & validation
    copy = sounds / "low" / "speaker9_copy.flac"
    copy.write_bytes((sounds / "low" / "speaker0_1.flac").read_bytes())
    for seed in range(4):
        labels = data.audio_folder(sounds, seed=seed, validation_split=0.3)
        rows = [sound.tobytes() for part in (labels.train_in_order, labels.validation)
                for sounds_, _ in part for sound in sounds_.numpy()]  # fmt: skip
        sides = [{s.tobytes() for x, _ in part for s in x.numpy()}
                 for part in (labels.train_in_order, labels.validation)]  # fmt: skip
        assert len(rows) == 13 and not sides[0] & sides[1]


def test_channels_are_averaged_and_the_end_is_cut_off_with_a_warning(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for hertz in (300, 400):
            stereo = np.concatenate([tone(hertz, 2.0), np.zeros((2 * RATE, 1))], axis=1)
            path = tmp_path / name / f"{hertz}.wav"
            soundfile.write(path, stereo * (name == "one" or 0.5), RATE, subtype="FLOAT")
    with pytest.warns(data.DataWarning, match="4 of 4 sounds are longer than 1.0 s") as told:
        splits = data.audio_folder(tmp_path, sample_rate=RATE, validation_split=None)
    assert told[0].filename == __file__ and splits.warnings == (str(told[0].message),)
    given, _ = next(iter(splits.train_in_order))
    np.testing.assert_allclose(given[0], tone(300, 1.0)[:, 0] / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "not a readable sound"),
        (b"RIFF and more", "not a readable sound"),
        (None, "no samples"),
    ],
)
def test_broken_file_is_named(sounds, contents, message):
    path = sounds / "low" / "broken.wav"
    if contents is None:
        soundfile.write(path, np.zeros((0, 1)), RATE)
    else:
        path.write_bytes(contents)
    (sounds / "high" / "other.ogg").write_bytes(b"none")
    every = f"(?s)2 of 14 sounds cannot be read.*other.ogg.*broken.wav.*{message}.*Repair or"
    with pytest.raises(ValueError, match=every):
        data.audio_folder(sounds)
    with pytest.warns(data.DataWarning, match="Skipped 2 of 14 sounds that cannot be read"):
        splits = data.audio_folder(sounds, on_unreadable="skip")
    assert sum(splits.num_images.values()) == 12
    assert [name for name, _ in splits.unreadable] == [
        str(sounds / "high" / "other.ogg"),
        str(path),
    ]
    with pytest.raises(ValueError, match="must be 'raise' or 'skip'"):
        data.audio_folder(sounds, on_unreadable="remove")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"seconds": 0}, "must be positive"), ({"seconds": 1e6}, "more than 8 GiB"),
     ({"batch_size": 0}, "positive integer")],
)  # fmt: skip
def test_wrong_arguments_are_told(sounds, arguments, message):
    with pytest.raises(ValueError, match=message):
        data.audio_folder(sounds, **arguments)


def test_folder_without_sounds_is_told(tmp_path):
    (tmp_path / "class").mkdir()
    with pytest.raises(ValueError, match=r"no \.wav, \.flac, \.ogg, \.mp3 files"):
        data.audio_folder(tmp_path)
