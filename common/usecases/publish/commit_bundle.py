"""The commit of a new model's version, without people who were erased while it was made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from common.bucket.commit import NewFile, Proposal
from common.bucket.current import Snapshot
from common.schemas.documents import Bundle, FileRef, ServingDocument
from common.serving.rewrite import keys_of
from common.store.segments.tombstones import Tombstones
from common.usecases.publish.versions import NewLayer, layer_without_people, next_version
from common.usecases.shared.context import Context
from common.usecases.shared.tombstones import read_tombstones


@dataclass
class BundleCommit:
    """The commit of `bundle`. Its one layer is `made[0]`, which has nobody of the erasures up to `erasure`.

    The erasures are read after what is served. So a later erasure either sees this version, or commits first, and then
    the change is applied again. Only where nothing was served before, an erasure has nothing to commit against; so
    whoever publishes a shop's first version must look for erasures once more afterwards.

    Where several trainings share a search, a version that another one has published since `shared_since` stays: it was
    chosen from the same trials, and each version of the history should be of another night.
    """

    ctx: Context
    bundle: Bundle
    erasure: int
    work: Path
    made: list[NewLayer]
    shared_since: datetime | None = None

    def change(self, snapshot: Snapshot[ServingDocument]) -> Proposal | None:
        """The proposed version; None where another training's version stays."""
        served = snapshot.document
        if served and self.shared_since and served.bundle.model.trained_at >= self.shared_since:
            return None
        stored = self.ctx.store_file.read().document
        assert stored is not None  # the layer was made of it
        if stored.erasure > self.erasure:
            self._leave_out(read_tombstones(self.ctx, stored))
            self.erasure = stored.erasure
        bundle = self.bundle.model_copy(update={"layers": (self.made[-1].ref,)})
        return next_version(self.ctx, served, bundle, self._files(), self.erasure)

    def _leave_out(self, tombstones: Tombstones) -> None:
        """Adds a layer without the erased people.

        It gets another id even if nobody is left out, because files of an earlier try may be deleted as abandoned.
        """
        ref = self.made[-1].ref
        gone = tombstones.named(keys_of(ref, self._path_of), self.erasure)
        directory = self.work / f"without-{len(self.made)}"
        self.made.append(layer_without_people(self.ctx, ref, gone, directory, self._path_of))

    def _path_of(self, ref: FileRef) -> Path:
        """The local path of a file; files that are not in the bucket yet are in `made`."""
        here = {file.key: file.content for layer in self.made for file in layer.files}
        content = here.get(ref.key)
        return content if isinstance(content, Path) else self.ctx.path_of(ref)

    def _files(self) -> tuple[NewFile, ...]:
        """The new files of the last layer, those that it shares with the first one included."""
        needed = {file.key for file in self.made[-1].ref.files.values()}
        return tuple(file for layer in self.made for file in layer.files if file.key in needed)
