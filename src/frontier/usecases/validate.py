"""`frontier validate`: the workspace and what runs in it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from frontier.domain.check import Finding, State, failed, passed, skipped, warned
from frontier.domain.errors import ConfigError, ModelNotFoundError
from frontier.domain.model import Model
from frontier.usecases.checking import Check, Fix, Once
from frontier.usecases.models import find
from frontier.usecases.validate_running import Running, where_docker_answers
from frontier.usecases.validate_standing import Standing

_NOTHING: Final = "nothing runs"
_SETTLED: Final = ("settings.effect", "settings.listening", "stack.selected", "stack.all")
_START: Final = "frontier start"
_OK: Final = 200


def checks(of: Standing, docker: Iterable[Check], uses_docker: Callable[[], bool]) -> list[Check]:
    """Return every check of a workspace.

    Args:
        of: What they look at.
        docker: The checks of Docker and Git; made only where containers are part of it.
        uses_docker: Tells whether they are.
    """
    workspace = _Workspace(of)
    return [
        *workspace.structure(),
        *workspace.settings(),
        *workspace.models(),
        *workspace.rendered(),
        *(_where_used(check, Once(uses_docker)) for check in docker),
        *Running(of).checks(),
    ]


def _where_used(check: Check, uses_docker: Callable[[], bool]) -> Check:
    def look() -> Finding:
        return check.look() if uses_docker() else skipped("nothing here runs in Docker")

    return Check(id=check.id, name=check.name, look=look, limit_s=check.limit_s, late=check.late)


@dataclass(frozen=True, slots=True)
class _Workspace:
    of: Standing

    def structure(self) -> list[Check]:
        of = self.of
        close = Fix(what="let nobody but you read files with secrets", run=of.look.close)
        return [
            Check(id="workspace.present", name="The workspace is set up", look=self._present),
            Check(id="workspace.structure", name="Files and folders", look=self._structure),
            Check(
                id="workspace.writable", name="The workspace can be written", look=self._writable
            ),
            Check(id="workspace.secrets", name="Secrets are secret", look=self._secrets, fix=close),
            Check(id="workspace.change", name="No change is half done", look=self._change),
        ]

    def settings(self) -> list[Check]:
        looks = {
            "settings.values": (".env and its variables", self._values),
            "settings.effect": ("Variables without effect", self._effect),
            "settings.listening": ("Where the gateway listens", self._listening),
            "stack.selected": ("The selected stack", self._selected),
            "stack.all": ("All stacks can be read", self._stacks),
            "gateway.routes": ("config/models.yaml", self._routes),
            "gateway.keys": ("config/keys.yaml", self._keys),
        }
        return [
            Check(id=i, name=title, look=self._settled(look) if i in _SETTLED else look)
            for i, (title, look) in looks.items()
        ]

    def _settled(self, look: Callable[[], Finding]) -> Callable[[], Finding]:
        """Return *look*, skipped where a setting is wrong: one cause is told once."""

        def settled() -> Finding:
            try:
                self.of.settings()
            except ConfigError:
                return skipped("a setting is wrong: see settings.values")
            return look()

        return settled

    def models(self) -> list[Check]:
        limit_s = 600.0 if self.of.deep else 10.0
        return [
            Check(id="models.catalog", name="The catalog", look=self._catalog),
            Check(id="models.present", name="The model is here", look=self._settled(self._model)),
            Check(
                id="models.intact",
                name="Stored models are what they were",
                look=self._intact,
                limit_s=limit_s,
                late="warn",
            ),
        ]

    def rendered(self) -> list[Check]:
        current = Check(
            id="project.current",
            name="It is what the settings say",
            look=self._settled(self._current),
        )
        return [
            Check(id="project.declared", name="What was brought up", look=self._declared),
            where_docker_answers(self.of, current),
            where_docker_answers(
                self.of,
                Check(id="project.files", name="Rendered files are as rendered", look=self._files),
            ),
        ]

    def _present(self) -> Finding:
        if self.of.is_there:
            return passed(str(self.of.root))
        return failed(
            f"nothing was set up in {self.of.root}",
            expected="a workspace",
            mend="frontier up; or name another folder: frontier --workspace DIR validate",
        )

    def _structure(self) -> Finding:
        if wrong := self.of.look.misplaced():
            return failed("; ".join(wrong), mend="Move it away, or give it back to this user.")
        return passed("every file and folder is what it should be")

    def _writable(self) -> Finding:
        if why := self.of.host.unwritable(self.of.root):
            return failed(why, mend=f"sudo chown -R $USER {self.of.root}")
        return passed("it can be written")

    def _secrets(self) -> Finding:
        if found := self.of.look.exposed():
            names = ", ".join(str(path.relative_to(self.of.root)) for path in found)
            return warned(
                f"others may read {names}",
                expected="mode 0600",
                mend="frontier validate --fix --only workspace.secrets",
            )
        return passed("nobody but you can read them")

    def _change(self) -> Finding:
        if found := self.of.interrupted():
            mend = _START if found.stack else "frontier stop"
            return warned(str(found), expected="no change is half done", mend=mend)
        return passed("none is")

    def _values(self) -> Finding:
        return passed(f"{sum(s.origin != 'default' for s in self.of.settings())} are set")

    def _effect(self) -> Finding:
        idle = [s for s in self.of.settings() if s.no_effect and s.origin == ".env"]
        if idle:
            return warned(
                "; ".join(f"{s.name}: {s.no_effect}" for s in idle),
                expected="every variable of .env does something",
                mend=" && ".join(f"frontier config unset {s.name}" for s in idle),
            )
        return passed("every variable of .env does something")

    def _listening(self) -> Finding:
        listening = self.of.listening()
        return passed(" and ".join(listening.urls))

    def _selected(self) -> Finding:
        stack = self.of.stack()
        return passed(f"{stack.name}: {stack.title}")

    def _stacks(self) -> Finding:
        lines = list(self.of.stacks())
        if wrong := [line for line in lines if line.problem]:
            is_current = any(line.is_current for line in wrong)
            said = "; ".join(f"{line.name}: {line.problem}" for line in wrong)
            return (failed if is_current else warned)(said, mend="frontier stack list")
        return passed(", ".join(line.name for line in lines))

    def _routes(self) -> Finding:
        if problem := self.of.routes_problem():
            return failed(problem, mend="Mend the file; a running gateway keeps the last good one.")
        return passed("the gateway takes it")

    def _keys(self) -> Finding:
        keys = self.of.keys.load()
        if not keys:
            return passed("no keys")
        if not self.of.active_keys():
            return warned(
                f"none of {len(keys)} keys lets anybody in",
                expected="a key that is neither revoked nor expired",
                mend="frontier keys create NAME",
            )
        return passed(f"{len(keys)} keys")

    def _catalog(self) -> Finding:
        return passed(f"{len(self.of.catalog.entries)} models")

    def _model(self) -> Finding:
        of, stack = self.of, self.of.stack()
        if stack.model_format == "none":
            return skipped("the stack serves no model of its own")
        if own := of.own_model(stack):
            return skipped(f"{stack.engine} gets {own.name} by itself")
        name = of.wanted_model()
        try:
            model = find(name, store=of.store, catalog=of.catalog)
        except ModelNotFoundError:
            state: State = "fail" if of.project.load() else "warn"
            return Finding(
                state=state,
                seen=f"{name} is not here",
                expected="the model that `frontier up` serves",
                mend=f"frontier models pull {name}",
            )
        return passed(f"{model.name}, {model.size_bytes >> 20} MiB")

    def _intact(self) -> Finding:
        of = self.of
        models = of.store.all()
        bad = [*of.store.broken(), *(m.name for m in models if not self._is_intact(m))]
        if bad:
            return failed(
                f"damaged: {', '.join(bad)}",
                expected="the bytes that were verified when they came",
                mend=f"frontier models pull {bad[0]}",
            )
        how = "hashed again" if of.deep else "untouched since they were verified"
        return passed(f"{len(models)} models, {how}") if models else passed("no models yet")

    def _is_intact(self, model: Model) -> bool:
        store = self.of.store
        return store.verify(model) == "ok" if self.of.deep else store.verify_quick(model)

    def _declared(self) -> Finding:
        project = self.of.project.load()
        if project is None:
            return skipped("nothing was brought up yet", mend="frontier up")
        models = ", ".join(route.model for route in project.routes) or "no model"
        return passed(f"{project.stack} by {project.runtime}, {models}")

    def _current(self) -> Finding:
        of = self.of
        project = of.project.load()
        if project is None:
            return skipped("nothing was brought up yet")
        now = of.foreseen(of.stack()).digests
        if stale := sorted(
            name
            for name in now.keys() | project.digests.keys()
            if now.get(name) != project.digests.get(name)
        ):
            return warned(
                f"the settings have changed since: {', '.join(stale)}",
                expected="what runs is what the settings say",
                mend="frontier stack diff shows how; frontier start carries it out",
            )
        return passed(f"{', '.join(project.digests)}: unchanged")

    def _files(self) -> Finding:
        project = self.of.project.load()
        if project is None or project.containers is None:
            return skipped("nothing here runs in Docker")
        if self.of.runtime.state() is None:
            return skipped("they are written at the next start")
        if changed := self.of.look.changed(project):
            return warned(
                f"changed by hand or missing: {', '.join(changed)}",
                expected="the files that Frontier rendered",
                mend="frontier start writes them anew; own stacks go to stacks/NAME",
            )
        return passed("they are")
