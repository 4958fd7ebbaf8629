"""The self-contained page in Chromium: numbers against torch, mouse and keyboard, narrow and wide, light and dark."""

from __future__ import annotations

import re

import pytest
import torch
from playwright.sync_api import Page, expect

from helpers.data.teacher_logits import load_teacher_logits
from helpers.losses import distillation_loss, forward_kl
from helpers.speculative import acceptance, expected_tokens, residual, speed_up
from helpers.widgets.page import render_page

CUP = "She drank a cup of hot"
TITLES = ["Temperature explorer", "Loss explorer", "Divergence explorer", "Draft explorer", "Figures"]


@pytest.fixture(scope="session")
def address(tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("page") / "distillab.html"
    file.write_text(render_page(), encoding="utf-8")
    return file.as_uri()


def explorer(page: Page, title: str):
    return page.get_by_role("region", name=title, exact=True)


def read(text: str) -> float:
    return float(text.replace("−", "-").split("±")[0])


def cells(part, name: str) -> dict[str, list[str]]:
    """Return the rows of a table by their header."""
    rows = part.get_by_role("region", name=name, exact=True).locator("tbody tr")
    return {row[0]: row[1:] for row in (re.split(r"\t", text) for text in rows.all_inner_texts())}


def settle(page: Page) -> None:
    """Wait until the tables and the announcement, which lag behind the plot, are up to date."""
    page.evaluate("() => new Promise((done) => setTimeout(() => requestAnimationFrame(done), 800))")


def drag(page: Page, slider, share: float) -> None:
    """Drag a slider's thumb with the mouse to a share of its range."""
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    now = slider.evaluate("(input) => (input.value - input.min) / (input.max - input.min)")
    thumb = 16
    left, travel = box["x"] + thumb / 2, box["width"] - thumb
    page.mouse.move(left + now * travel, y)
    page.mouse.down()
    page.mouse.move(left + share * travel, y, steps=12)
    page.mouse.up()


def shown_temperature(part) -> float:
    return read(part.locator(".dl-slider", has_text="Temperature T").locator("output").inner_text())


def test_the_mouse_moves_the_temperature_and_the_numbers_are_torchs(open_page, address):
    page = open_page(address)
    part = explorer(page, "Temperature explorer")
    part.get_by_label("Sentence").select_option(CUP)
    for share in (0.9, 0.25, 0.6):
        drag(page, part.get_by_label("Temperature T"), share)
        settle(page)
        slider = part.get_by_label("Temperature T")
        temperature = min(20.0, float(f"{10 ** float(slider.input_value()):.3g}"))
        assert slider.get_attribute("aria-valuetext") == part.locator("output").first.inner_text()
        assert shown_temperature(part) == pytest.approx(temperature, rel=5e-3)
        entry = load_teacher_logits()[CUP]
        p = (entry.logits.double() / temperature).softmax(-1)
        nats = -(p * p.log()).sum().item()
        rows = cells(part, "Spread of the distribution")
        assert read(rows["entropy, nats"][0]) == pytest.approx(nats, abs=6e-4)
        assert read(rows["entropy, bits"][0]) == pytest.approx(nats / torch.log(torch.tensor(2.0)).item(), abs=6e-4)
        assert read(rows["effective number of choices"][0]) == pytest.approx(2.718281828**nats, abs=6e-3)
        assert read(rows["mass outside the top token"][0]) == pytest.approx(1 - p.max().item(), abs=6e-5)
        tokens = cells(part, "Most likely tokens")
        assert [read(row[0]) for row in tokens.values()] == pytest.approx(p[:10].tolist(), abs=6e-5)
        assert list(tokens)[:4] == [token.strip() for token in entry.tokens[:4]]
        assert f"{entry.tokens[0].strip()} {p[0]:.2f}" in part.get_by_role("img").get_attribute("aria-label")
        assert f"Entropy {nats:.2f} nats" in part.locator(".dl-spoken").inner_text()


def test_the_keyboard_alone_reaches_and_moves_everything(open_page, address):
    page = open_page(address)
    part = explorer(page, "Temperature explorer")
    page.keyboard.press("Tab")
    reached = []
    for _ in range(9):
        reached.append(
            page.evaluate("document.activeElement.labels?.[0]?.innerText || document.activeElement.innerText")
        )
        if reached[-1] == "or type logits, then Enter":
            page.keyboard.type("1, 2, three")
            page.keyboard.press("Enter")
            expect(part.locator(".dl-note")).to_contain_text("“three” is not a number")
            page.keyboard.press("Control+A")
            page.keyboard.type("1, 2, 3, 0")
            page.keyboard.press("Enter")
            expect(part.locator(".dl-note")).to_have_text("")
        elif reached[-1] == "Pin for comparison":
            page.keyboard.press("Space")
        elif reached[-1] == "Temperature T":
            page.keyboard.press("Home")
            for _ in range(5):
                page.keyboard.press("ArrowRight")
            page.keyboard.press("PageUp")
        page.keyboard.press("Tab")
    assert reached[:4] == ["Sentence", "or type logits, then Enter", "5, 2, 0.5", "Pin for comparison"]
    assert reached[4:6] == ["Temperature T", "Bars"]
    settle(page)
    temperature = shown_temperature(part)
    assert 0.1 < temperature < 1
    slider = part.get_by_label("Temperature T")
    exact = float(f"{10 ** float(slider.input_value()):.3g}")
    p = (torch.tensor([1.0, 2.0, 3.0, 0.0]).double() / exact).softmax(-1)
    tokens = cells(part, "Most likely tokens")
    assert [read(tokens[f"token {n}"][0]) for n in (3, 2, 1, 4)] == pytest.approx(p[[2, 1, 0, 3]].tolist(), abs=6e-5)
    pinned = torch.tensor([1.0, 2.0, 3.0, 0.0]).double().softmax(-1)
    assert read(tokens["token 3"][1]) == pytest.approx(pinned[2].item(), abs=6e-5)


def test_the_chapters_logits_are_one_click(open_page, address):
    page = open_page(address)
    part = explorer(page, "Temperature explorer")
    part.get_by_role("button", name="5, 2, 0.5").click()
    settle(page)
    tokens = cells(part, "Most likely tokens")
    due = torch.tensor([5.0, 2.0, 0.5]).softmax(-1)
    assert [row[0] for row in tokens.values()] == [f"{p:.4f}" for p in due]


def test_the_loss_explorer_says_what_torch_says_after_a_bar_was_dragged(open_page, address):
    page = open_page(address)
    part = explorer(page, "Loss explorer")
    plot = part.get_by_role("img").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    row = box["height"] * 0.93 / 5
    y = box["y"] + 1.7 * row  # the student's bar of the second word
    page.mouse.move(box["x"] + box["width"] * 0.4, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, y, steps=10)
    page.mouse.up()
    drag(page, part.get_by_label("α, weight of the soft term"), 0.3)
    settle(page)
    state = page.evaluate("distillab[1].model.state")
    assert state["student_logits"][1] > 2, "the bar of “glad” was dragged to the right"
    assert 0.25 < state["alpha"] < 0.35
    logits = [torch.tensor(state[f"{who}_logits"], dtype=torch.float64) for who in ("student", "teacher")]
    student, teacher = (row.view(1, 1, -1) for row in logits)
    student.requires_grad_()
    total = distillation_loss(student, teacher, torch.tensor([[1]]), state["temperature"], state["alpha"])
    soft = forward_kl(student, teacher, temperature=state["temperature"]) * state["alpha"]
    (gradient,) = torch.autograd.grad(total, student, retain_graph=True)
    (soft_gradient,) = torch.autograd.grad(soft, student)
    rows = cells(part, "The loss")
    assert read(rows["total"][0]) == pytest.approx(total.item(), abs=6e-5)
    assert read(rows["soft term, weighted by α"][1]) == pytest.approx(soft.item(), abs=6e-5)
    assert read(rows["length of the total gradient"][0]) == pytest.approx(gradient.norm().item(), abs=6e-5)
    assert read(rows["length of the soft gradient"][1]) == pytest.approx(soft_gradient.norm().item(), abs=6e-5)
    words = cells(part, "Probabilities and gradients of each token")
    assert [read(row[5]) for row in words.values()] == pytest.approx(gradient.flatten().tolist(), abs=6e-4)


def test_the_divergence_explorer_fits_and_follows_the_hand(open_page, address):
    page = open_page(address)
    part = explorer(page, "Divergence explorer")
    part.get_by_role("button", name="reverse KL").click()
    settle(page)
    assert page.evaluate("distillab[2].model.state.student_centre") == pytest.approx(18, abs=0.1)
    plot = part.get_by_role("img")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 120, steps=10)
    page.mouse.up()
    settle(page)
    state = page.evaluate("distillab[2].model.state")
    assert state["fit"] == "hand" and 38 < state["student_centre"] < 44
    x = torch.arange(61, dtype=torch.float64)
    student = (-((x - state["student_centre"]) ** 2) / (2 * state["student_width"] ** 2)).view(1, 1, -1)
    bumps = [-((x - place) ** 2) / (2 * state["mode_width"] ** 2) for place in (18.0, 42.0)]
    weights = torch.tensor([state["weight"], 1 - state["weight"]]).double().log()
    teacher = torch.logaddexp(weights[0] + bumps[0], weights[1] + bumps[1]).view(1, 1, -1)
    now = cells(part, "Cost of each student")["now"]
    assert read(now[0]) == pytest.approx(forward_kl(student, teacher).item(), abs=6e-5)
    assert read(now[1]) == pytest.approx(forward_kl(teacher, student).item(), abs=6e-5)


def test_the_draft_explorer_follows_a_drag_and_agrees_with_the_formulas(open_page, address, picture):
    page = open_page(address)
    part = explorer(page, "Draft explorer")
    plot = part.get_by_role("img").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    y = box["y"] + 0.5 * box["height"] * 0.93 / 5  # the draft's bar of the first token
    page.mouse.move(box["x"] + box["width"] * 0.5, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, y, steps=10)
    page.mouse.up()
    drag(page, part.get_by_label("γ, drafted tokens in a round"), 0.5)
    drag(page, part.get_by_label("Cost of a draft's call, in calls of the target"), 0.3)
    settle(page)
    state = page.evaluate("distillab[3].model.state")
    assert state["draft_logits"][0] > 2.5, "the first bar of the draft was dragged to the right"
    assert state["gamma"] == 8 and 0.25 < state["cost"] < 0.35
    p, q = (torch.tensor(state[f"{who}_logits"], dtype=torch.float64).softmax(-1) for who in ("target", "draft"))
    agreed = acceptance(p, q).item()
    rows = cells(part, "Acceptance and speed")
    assert read(rows["acceptance, Σ min(p, q)"][0]) == pytest.approx(agreed, abs=6e-4)
    assert read(rows["tokens a round"][0]) == pytest.approx(expected_tokens(agreed, 8), abs=6e-3)
    assert read(rows["speed-up"][0]) == pytest.approx(speed_up(agreed, 8, state["cost"]), abs=6e-3)
    tokens = cells(part, "Probabilities of each token")
    assert [read(row[3]) for row in tokens.values()] == pytest.approx(residual(p, q).tolist(), abs=6e-4)
    part.get_by_role("button", name="Best γ").click()
    settle(page)
    best = max(range(17), key=lambda gamma: speed_up(agreed, gamma, state["cost"]))
    assert page.evaluate("distillab[3].model.state.gamma") == best
    part.get_by_role("button", name="Draft = target").click()
    settle(page)
    assert read(cells(part, "Acceptance and speed")["acceptance, Σ min(p, q)"][0]) == 1
    part.get_by_role("button", name="Reset").click()
    settle(page)
    picture("draft-explorer", part)


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280, 1920])
def test_nothing_serious_for_axe_and_nothing_cut_off(open_page, address, accessible, picture, width, colours):
    page = open_page(address, width=width, colours=colours)
    part = explorer(page, "Temperature explorer")
    part.get_by_role("button", name="Pin for comparison").click()
    drag(page, part.get_by_label("Temperature T"), 0.55)
    settle(page)
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(
        "[...document.querySelectorAll('.distillab')].every((e) => e.scrollWidth <= e.clientWidth + 1)"
    )
    assert {part.get_attribute("data-theme") for part in page.locator(".distillab").all()} == {colours}
    if width == 1280:
        picture(f"explorers-{colours}", page.locator("main"))


def test_no_two_elements_share_an_id(open_page, address):
    ids = open_page(address).evaluate("[...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) > 20 and len(set(ids)) == len(ids)


def test_the_height_stays_while_the_slider_moves(open_page, address):
    page = open_page(address)
    part = explorer(page, "Temperature explorer")
    heights = set()
    for share in (0.0, 0.3, 1.0):
        drag(page, part.get_by_label("Temperature T"), share)
        settle(page)
        heights.add(part.bounding_box()["height"])
    part.get_by_role("button", name="5, 2, 0.5").click()
    settle(page)
    assert heights == {part.bounding_box()["height"]}


def test_moving_adds_no_nodes_and_no_listeners_and_stopping_leaves_none(open_page, address):
    page = open_page(address)
    tool = page.context.new_cdp_session(page)
    tool.send("Performance.enable")

    def counted() -> dict[str, float]:
        settle(page)
        tool.send("HeapProfiler.collectGarbage")
        metrics = {entry["name"]: entry["value"] for entry in tool.send("Performance.getMetrics")["metrics"]}
        return {name: metrics[name] for name in ("Nodes", "JSEventListeners")}

    moves = """(count) => { for (let i = 0; i < count; i++) {
        const sliders = document.querySelectorAll('input[type=range]');
        const slider = sliders[i % sliders.length];
        const share = i < sliders.length ? 1 : ((i * 7919) % 1000) / 1000;
        slider.value = Number(slider.min) + (slider.max - slider.min) * share;
        slider.dispatchEvent(new Event('input', { bubbles: true })); } }"""
    page.evaluate(
        moves, page.locator("input[type=range]").count()
    )  # every slider at its maximum: tables at their longest
    settle(page)
    page.evaluate(moves, 300)
    before = counted()
    page.evaluate(moves, 3000)
    after = counted()
    assert after["JSEventListeners"] == before["JSEventListeners"]
    assert after["Nodes"] <= before["Nodes"] + 50
    page.evaluate("distillab.forEach(({ stop }) => stop())")
    assert page.locator(".distillab").count() == 0


def test_the_presenter_follows_its_keys(open_page, address, picture):
    page = open_page(address, width=1920, height=1080)
    small = page.evaluate("parseFloat(getComputedStyle(document.querySelector('.distillab')).fontSize)")
    page.keyboard.press("PageDown")
    expect(explorer(page, "Loss explorer")).to_be_visible()  # not presenting yet, so keys do nothing
    page.keyboard.press("p")
    expect(explorer(page, "Loss explorer")).to_be_hidden()
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.distillab')).fontSize)") > 1.4 * small
    part = explorer(page, "Temperature explorer")
    part.get_by_label("Temperature T").focus()
    for _ in range(3):
        page.keyboard.press("PageDown")  # a clicker works whatever has the focus
    expect(part.locator("output").first).to_have_text("2.00")
    expect(page.locator(".dl-count")).to_have_text("4 of 21")
    picture("lecture", page.locator("body"))
    page.keyboard.press("d")
    expect(part).to_have_attribute("data-theme", "dark")
    page.keyboard.press("3")
    expect(explorer(page, "Divergence explorer")).to_be_visible()
    expect(part).to_be_hidden()
    page.keyboard.press("4")
    expect(explorer(page, "Draft explorer")).to_be_visible()
    page.keyboard.press("p")
    for title in TITLES:
        expect(explorer(page, title)).to_be_visible()


def test_a_browser_without_what_the_plot_needs_gets_the_numbers(open_page, address):
    page = open_page("about:blank")
    page.add_init_script("delete window.ResizeObserver;")
    page.goto(address)
    part = explorer(page, "Temperature explorer")
    expect(part).to_contain_text("this browser is too old for the plot")
    first = next(iter(load_teacher_logits().values()))
    p = first.logits.double().softmax(-1)
    expect(part.locator("pre")).to_contain_text(f"{p[0]:.4f}")
