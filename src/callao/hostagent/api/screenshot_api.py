# SPDX-License-Identifier: GPL-3.0-or-later
"""``/v1/screenshot`` on ha.sock: what the machine's display shows, as PNG or BMP."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from callao.config import VMType
from callao.drivers import Machine, ScreenReader
from callao.errors import AgentError, DriverError
from callao.hostagent import picture
from callao.hostagent.api import http, routes


@dataclass
class ScreenshotApi:
    """The handler for one machine."""

    machine: Machine
    name: str
    vm_type: VMType

    def routes(self) -> http.Routes:
        return {routes.SCREENSHOT: self._screenshot}

    async def _screenshot(self, request: http.Request) -> http.Content:
        form = request.query.get("format", "png")
        encode = picture.FORMS.get(form)
        if encode is None:
            raise AgentError(f"format: {form!r} is no form of a screenshot (allowed: png, bmp).")
        if not isinstance(self.machine, ScreenReader):
            raise AgentError(
                f"vmType: a screenshot of a {self.vm_type} machine cannot be taken: its hypervisor lets no "
                "other program read the screen."
            )
        with tempfile.TemporaryDirectory(prefix="callao-screen-") as folder:
            file = Path(folder) / "screen.ppm"
            try:
                await self.machine.write_screen(file)
            except DriverError as error:
                raise AgentError(
                    f"the machine has no display to take a screenshot of ({error}).",
                    hint="Set 'video.display' to 'default', which its next start takes.",
                ) from error
            pixels = await asyncio.to_thread(picture.read_ppm, file)
        return http.Content(f"image/{form}", await asyncio.to_thread(encode, pixels))
