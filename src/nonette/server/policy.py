"""The prompt policy at the door: what it refuses is never queued, and whoever asked learns why."""

from __future__ import annotations

import structlog

from nonette.core.types import Request
from nonette.safety.words import Hit, Policy
from nonette.server.errors import ApiError

log = structlog.get_logger(__name__)


def check(policy: Policy, request: Request) -> None:
    """Let a request pass that breaks no rule.

    The negative prompt is what should not be seen, so it is judged only where the guidance is
    below 1 and draws towards it.

    Raises:
        ApiError: 400, `content_policy_violation`, naming the rules and the words.
    """
    texts = [request.prompt, request.second_prompt or ""]
    if request.guidance is not None and request.guidance < 1:
        texts.append(request.negative_prompt)
    hits = policy.judge(*texts)
    if hits:
        raise refusal(hits, policy)


def refusal(hits: tuple[Hit, ...], policy: Policy) -> ApiError:
    """The answer to what breaks these rules; it is logged, without the words."""
    log.info(
        "refused",
        rules=[hit.rule.name for hit in hits],
        is_disguised=any(hit.is_disguised for hit in hits),
        policy=policy.version,
    )
    reasons = "; ".join(hit.message for hit in hits)
    return ApiError(
        400,
        f"The prompt is refused: {reasons}.",
        code="content_policy_violation",
        param="prompt",
        headers={"x-should-retry": "false"},
    )
