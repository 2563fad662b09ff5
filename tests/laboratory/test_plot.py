"""The drawing room: colours, styles, sizes, names; every picture of one sweep or several."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from typer.testing import CliRunner

import sdprelax
from sdprelax.cli import app
from sdprelax.laboratory.results import COLOURS, DARK, gather, house_style, looks_of, styled, write_report
from sdprelax.laboratory.training import TRAINING
from tests.laboratory.trying_results import LABEL, run_small

KINDS = ("gap", "tightness", "time", "profile", "scaling", "path")
# G. M. Machado, M. M. Oliveira, L. A. F. Fernandes (2009), IEEE Transactions on Visualization and Computer Graphics 15:
# how linear RGB is seen with normal vision and without one kind of cones.
VISIONS = [
    np.eye(3),
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plot")
    run_small(folder)
    return folder


def plot(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["plot", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def lab(colour: str, vision: Any) -> Any:
    """Return a colour as it is seen, in the coordinates of CIELAB."""
    srgb = np.array(to_rgb(colour))
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(vision) @ linear, 0.0, 1.0)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ seen
    f = np.cbrt(np.maximum(xyz / [0.9505, 1.0, 1.089], 1e-9))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_eight_methods_have_colours_that_every_kind_of_vision_tells_apart() -> None:
    names = ["exact", "sdp(cones=1)", "sdp(cones=4)", "own", "lbfgs", "ntk", "wedge", "mkl"]
    looks = looks_of(names)
    assert {colour for colour, _ in looks.values()} == set(COLOURS) and len({m for _, m in looks.values()}) == 8
    for one, other in (*itertools.combinations(COLOURS, 2), *itertools.combinations(DARK, 2)):
        assert min(np.linalg.norm(lab(one, vision) - lab(other, vision)) for vision in VISIONS) > 15.0
    assert len(set(looks_of([f"m{k}" for k in range(40)]).values())) == 40


def test_a_method_has_the_same_colour_in_every_sweep() -> None:
    looks = [looks_of(names) for names in (["sdp", "exact"], ["own", "exact", "sdp(cones=2)"], ["exact(tolerance=1)"])]
    assert looks[0]["exact"] == looks[1]["exact"] == looks[2]["exact(tolerance=1)"]
    assert looks[0]["sdp"] == looks[1]["sdp(cones=2)"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_is_drawn_of_one_sweep_and_of_several(kind: str, folder: Path, tmp_path: Path) -> None:
    for k, given in enumerate(([folder / "small"], [folder / "small", folder / "other"])):
        target = tmp_path / f"{k}.svg"
        assert plot(kind, *given, "--out", target) == f"picture: {target}\n"
        figure = TRAINING.pictures[kind](gather(given), None)
        assert figure is not None and target.read_bytes().startswith(b"<?xml")
        colours = (
            {line.get_label(): line.get_color() for line in figure.legends[0].get_lines()} if figure.legends else {}
        )
        looks = looks_of(gather(given).methods)
        assert all(colours[name] == looks[name][0] for name in colours if name in looks)
        assert figure.legends or kind == "gap"


def test_a_picture_has_the_size_and_the_panels_that_are_asked_for(folder: Path, tmp_path: Path) -> None:
    plot("path", folder / "small", "--out", tmp_path / "a.png", "--size", "3.25x5", "--columns", "1")
    assert Image.open(tmp_path / "a.png").size == (650, 1000)
    for columns in (1, 2, 4):
        figure = TRAINING.pictures["path"](gather([folder / "small"]), columns)
        assert figure is not None
        shown = [axes for axes in figure.axes if axes.get_visible()]
        assert len(shown) == 4 and len({round(axes.get_position().x0, 3) for axes in shown}) == columns


def test_a_style_is_put_upon_ours_and_changes_neither_colours_nor_names(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "journal.mplstyle").write_text(
        "font.size: 14\ntext.usetex: True\naxes.prop_cycle: cycler('color', ['red'])\naxes.grid: True\n"
    )
    plot("gap", folder / "other", "--style", tmp_path / "journal.mplstyle", "--out", tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    with styled(str(tmp_path / "journal.mplstyle")):
        figure = TRAINING.pictures["tightness"](gather([folder / "other"]), None)
    plain = TRAINING.pictures["tightness"](gather([folder / "other"]), None)
    assert figure is not None and plain is not None
    assert [line.get_color() for line in figure.axes[0].lines] == [line.get_color() for line in plain.axes[0].lines]
    (label,) = figure.axes[0].get_yticklabels()
    assert label.get_text().replace(r"\$", "$").startswith(LABEL) and not label.get_usetex()
    assert figure.axes[0].xaxis.get_gridlines()[0].get_visible() and not house_style()["axes.grid"]
    assert matplotlib.rcParams["font.size"] == matplotlib.rcParamsDefault["font.size"]
    plot("gap", folder / "small", "--style", "ggplot", "--out", tmp_path / "b.png")


@pytest.mark.parametrize(("arguments", "message"), [
    (["gaps"], "there is no picture 'gaps': did you mean 'gap'?"),
    (["gap", "--size", "3"], "--size 3: write width and height in inches"),
    (["gap", "--size", "0x3"], "--size 0x3: write width and height in inches"),
    (["gap", "--style", "ggplt"], "there is no style or file 'ggplt': did you mean 'ggplot'?"),
    (["gap", "--out", "a.gap"], "a.gap: a picture's file ends in .pdf, .png, .svg or another of"),
    (["gap", "--out", "nowhere/a.pdf"], "nowhere/a.pdf cannot be written: there is no folder nowhere"),
])  # fmt: skip
def test_wrong_input_is_one_sentence(
    arguments: list[str], message: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((sdprelax.InputError, sdprelax.base.StorageError)) as caught:
        plot(arguments[0], folder / "small", *arguments[1:])
    assert message in str(caught.value) and not list(tmp_path.iterdir())


def test_where_there_is_nothing_to_draw_that_is_said(folder: Path) -> None:
    with pytest.raises(sdprelax.InputError, match=r"there is nothing to draw for 'path' in .*other"):
        plot("path", folder / "other")


def test_several_sweeps_are_one_report_in_which_names_are_what_they_are(folder: Path, tmp_path: Path) -> None:
    target = write_report([folder / "small", folder / "other"], tmp_path / "both.html")
    page = target.read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    content = json.loads(data)
    trials = [dict(zip(content["columns"], trial, strict=True)) for trial in content["trials"]]
    assert content["name"] == "small + other" and len(trials) == 34
    assert {trial["sweep"] for trial in trials} == {"small", "other"} and "sweep" in content["filters"]
    assert {trial["dataset"] for trial in trials if trial["sweep"] == "other"} == {LABEL}
    looks = looks_of(gather([folder / "small", folder / "other"]).methods)
    light = content["palettes"]["light"]
    assert {name: light[place] for name, (place, _) in content["looks"].items()} == {
        n: c for n, (c, _) in looks.items()
    }
    assert {trial["what"] for trial in trials} == set(content["looks"])
