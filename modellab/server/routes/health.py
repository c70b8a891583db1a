"""Whether the server lives."""

from fastapi import APIRouter

router = APIRouter(tags=["health"])
