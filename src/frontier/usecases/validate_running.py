"""The part of `frontier validate` that is about what runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from frontier.domain import check_alerts, check_machine
from frontier.domain.check import Finding, failed, passed, skipped, warned
from frontier.domain.errors import ConfigError
from frontier.domain.project import Project
from frontier.domain.state import DaemonState
from frontier.usecases.checking import Check, Once
from frontier.usecases.validate_standing import Standing

_NOTHING: Final = "nothing runs"
_START: Final = "frontier start"
_OK: Final = 200


def where_docker_answers(of: Standing, check: Check) -> Check:
    """Return *check*, skipped where it would wait for Docker in vain: one cause is told once."""

    def look() -> Finding:
        return check.look() if of.has_docker() else skipped("Docker does not work: see docker")

    return replace(check, look=look)


@dataclass(frozen=True, slots=True)
class Running:
    """The part of the checks that is about what runs."""

    of: Standing

    def checks(self) -> list[Check]:
        """Return one check per declared service, and those of the APIs in front of them."""
        state = Once(self.of.runtime.state)
        return [where_docker_answers(self.of, check) for check in self._all(state)]

    def _all(self, state: "Once[DaemonState | None]") -> list[Check]:
        return [
            Check(id="running.stack", name="The stack runs", look=partial(self._stack, state)),
            Check(
                id="running.networks",
                name="Networks of the containers",
                look=partial(self._networks, state),
            ),
            *(
                Check(
                    id=f"service.{name}",
                    name=f"Service {name}",
                    look=partial(self._service, name, digest, state),
                )
                for name, digest in self._declared.items()
            ),
            Check(id="tls.certificate", name="nginx' certificate", look=self._certificate),
            *self._api(state),
        ]

    def _api(self, state: "Once[DaemonState | None]") -> list[Check]:
        looks = {
            "api.gateway": ("The gateway answers", self._gateway),
            "api.models": ("It lists the models", self._models),
            "monitoring.prometheus": ("Prometheus", self._prometheus),
            "monitoring.targets": ("What Prometheus scrapes", self._targets),
            "monitoring.alerts": ("Alerts", self._alerts),
            "monitoring.alertmanager": ("Alertmanager", self._alertmanager),
            "monitoring.grafana": ("Grafana", self._grafana),
        }
        return [
            Check(id=i, name=title, look=partial(self._if_running, state, look))
            for i, (title, look) in looks.items()
        ]

    @property
    def _project(self) -> Project | None:
        try:
            return self.of.project.load()
        except ConfigError:  # project.declared says it
            return None

    @property
    def _declared(self) -> dict[str, str]:
        project = self._project
        return project.digests if project else {}

    def _idle(self) -> Finding:
        """Return what it means that nothing runs."""
        if self.of.must_run:
            return failed(_NOTHING, expected="a running stack", mend="frontier up")
        return skipped(_NOTHING, mend=_START if self._project else "frontier up")

    def _if_running(
        self, state: "Once[DaemonState | None]", look: Callable[[Project], Finding]
    ) -> Finding:
        project = self._project
        return self._idle() if state() is None or project is None else look(project)

    def _stack(self, state: "Once[DaemonState | None]") -> Finding:
        found = state()
        if found is not None:
            return passed(f"{found.stack}, {len(found.services)} services")
        if self.of.runtime.has_died():
            return failed(
                "what ran was killed, and all its services ended with it",
                expected="it runs, or was stopped",
                mend=f"{_START}; its last words: frontier logs daemon",
            )
        return self._idle()

    def _service(self, name: str, digest: str, state: "Once[DaemonState | None]") -> Finding:
        found = state()
        if found is None:
            return self._idle()
        service = found.service(name)
        if service is None:
            return failed("it is declared and does not run", mend=_START)
        if service.phase != "ready":
            said = f"{service.phase}: {service.reason}" if service.reason else service.phase
            mend = f"frontier logs {name}"
            return failed(said, expected="ready", mend=mend)
        if service.digest != digest:
            return warned("an older configuration of it runs", mend=_START)
        if service.restarts:
            return warned(
                f"ready, after {service.restarts} restarts: {service.reason}",
                mend=f"frontier logs {name}",
            )
        return passed("ready")

    def _networks(self, state: "Once[DaemonState | None]") -> Finding:
        project = self._project
        if project is None or project.containers is None:
            return skipped("nothing here runs in Docker")
        if state() is None:
            return self._idle()
        declared: Mapping[str, Mapping[str, str] | None] = (
            project.containers.document.get("networks") or {}
        )
        wanted = {
            str((network or {}).get("name") or f"{project.containers.name}_{name}")
            for name, network in declared.items()
        }
        there = self.of.host.lines(("docker", "network", "ls", "--format", "{{.Name}}"))
        if missing := sorted(wanted - set(there)):
            return failed(f"there is no network {', '.join(missing)}", mend=_START)
        return passed(", ".join(sorted(wanted)))

    def _certificate(self) -> Finding:
        project = self._project
        file = self.of.certificate(project) if project else None
        if file is None:
            return skipped("no TLS: ENABLE_SSL is off, or nothing was brought up")
        told = self.of.host.said(("openssl", "x509", "-noout", "-enddate", "-in", str(file)))
        return check_machine.certificate(told, datetime.now(UTC).timestamp())

    def _gateway(self, _: Project) -> Finding:
        url, key = self.of.reachable()
        answer = self.of.web.ask(f"{url}/readyz", key=key)
        if answer.status != _OK:
            backends: Mapping[str, str] = answer.at("backends") or {}
            bad = "; ".join(f"{n}: {why}" for n, why in backends.items() if why != "ok")
            return failed(
                f"{url}/readyz answers {answer.status}: {bad or answer.text[:200]}",
                expected="200: every model has an engine that answers",
                mend="frontier status; frontier logs",
            )
        if error := answer.at("config_error"):
            return warned(f"it keeps older routes: {error}", mend="Mend config/models.yaml.")
        return passed(f"{url} is ready")

    def _models(self, project: Project) -> Finding:
        url, key = self.of.reachable()
        answer = self.of.web.ask(f"{url}/v1/models", key=key)
        names = {str(model.get("id")) for model in answer.items("data")}
        if missing := [r.model for r in project.routes if r.model not in names]:
            return failed(
                f"{url}/v1/models ({answer.status}) does not name {', '.join(missing)}",
                expected="every model that was brought up",
                mend="frontier restart gateway",
            )
        return passed(", ".join(sorted(names)))

    def _prometheus(self, project: Project) -> Finding:
        return self._page(project, "prometheus", "/-/ready")

    def _alertmanager(self, project: Project) -> Finding:
        return self._page(project, "alertmanager", "/-/ready")

    def _grafana(self, project: Project) -> Finding:
        return self._page(project, "grafana", "/api/health")

    def _page(self, project: Project, name: str, path: str) -> Finding:
        url = project.pages.get(name)
        if url is None:
            return skipped(f"{name} is not part of what runs")
        answer = self.of.web.ask(f"{url}{path}")
        if answer.status != _OK:
            return failed(
                f"{url}{path} answers {answer.status}: {answer.text[:200]}",
                expected="200",
                mend=f"frontier logs {name}",
            )
        return passed(f"{url} is healthy")

    def _targets(self, project: Project) -> Finding:
        url = project.pages.get("prometheus")
        if url is None:
            return skipped("prometheus is not part of what runs")
        answer = self.of.web.ask(f"{url}/api/v1/targets?state=active")
        found = answer.items("data", "activeTargets")
        down = [
            f"{t.get('labels', {}).get('job', '?')}: {t.get('lastError') or t.get('health')}"
            for t in found
            if t.get("health") == "down"
        ]
        if down:
            return warned("; ".join(down), expected="every target is up", mend="frontier status")
        if not found:
            return warned(
                "it scrapes nothing yet",
                expected="targets, which come within seconds after a start",
                mend="frontier logs prometheus",
            )
        return passed(f"{len(found)} targets, none is down")

    def _alerts(self, project: Project) -> Finding:
        """Tell which rules Prometheus cannot evaluate, and which alerts fire."""
        url = project.pages.get("prometheus")
        if url is None:
            return skipped("prometheus is not part of what runs")
        return check_alerts.judge(self.of.web.ask(f"{url}/api/v1/rules").items("data", "groups"))
