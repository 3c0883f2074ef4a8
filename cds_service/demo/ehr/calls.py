"""Where the chart and decision support meet: firing hooks, taking or waving away cards, looking at a call, launching the app."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from cds_service.demo.ehr.chart import ICD10CM, current_encounter
from cds_service.demo.ehr.decision_support import DecisionSupport, HookCall
from cds_service.demo.ehr.exchange import shortened
from cds_service.demo.ehr.fhir import Records, Resource
from cds_service.demo.ehr.grants import Grants, Launch
from cds_service.demo.ehr.person import current_user
from cds_service.demo.ehr.site import Site
from cds_service.demo.errors import DemoError

_CONDITION_CODES = "http://terminology.hl7.org/CodeSystem"


def blueprint(site: Site, records: Records, support: DecisionSupport, grants: Grants) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("calls", __name__)
    _hooks(routes, records, support)
    _cards(routes, records, support)
    _launches(routes, site, records, support, grants)
    return routes


def _hooks(routes: Blueprint, records: Records, support: DecisionSupport) -> None:
    @routes.post("/patients/<patient>/hooks/patient-view")
    def patient_view(patient: str) -> str:
        return _cards_of("patient-view", support.fire("patient-view", _context(records, patient)), patient=patient)

    @routes.post("/patients/<patient>/hooks/order-sign")
    def order_sign(patient: str) -> str:
        order = _order(records, patient, request.form.get("order", ""))
        calls = support.fire("order-sign", _context(records, patient) | {"draftOrders": _bundle(order)})
        return _cards_of("order-sign", calls, patient=patient, order=f"{order['resourceType']}/{order['id']}")

    @routes.post("/patients/<patient>/orders/sign")
    def sign(patient: str) -> str:
        order = _order(records, patient, request.form.get("order", ""))
        records.update(order | {"status": "active"})
        return render_template("_done.html", message="Signed. The order is active.", changed="order-list")

    @routes.post("/patients/<patient>/hooks/encounter-discharge")
    def discharge(patient: str) -> str:
        return _cards_of("encounter-discharge", support.fire("encounter-discharge", _context(records, patient)), patient=patient)

    @routes.post("/patients/<patient>/discharge")
    def complete_discharge(patient: str) -> str:
        records.update(current_encounter(records, patient) | {"status": "finished"})
        return render_template("_done.html", message="The stay is closed.", changed="visit")

    @routes.post("/patients/<patient>/hooks/problem-list-item-create")
    def add_problem(patient: str) -> str:
        problem = _problem(patient, request.form.get("text", ""), request.form.get("code", ""))
        calls = support.fire("problem-list-item-create", _context(records, patient) | {"conditions": _bundle(problem | {"id": "new-problem"})})
        return _cards_of("problem-list-item-create", calls, patient=patient, problem=request.form)

    @routes.post("/patients/<patient>/problems")
    def keep_problem(patient: str) -> str:
        records.create(_problem(patient, request.form.get("text", ""), request.form.get("code", "")))
        return render_template("_done.html", message="Added to the problem list.", changed="diagnoses")


def _cards(routes: Blueprint, records: Records, support: DecisionSupport) -> None:
    @routes.post("/calls/<call_id>/accept")
    def accept(call_id: str) -> str:
        call, card = _card(support, call_id)
        suggestion = next((s for s in card.get("suggestions", []) if s.get("uuid") == request.form.get("suggestion")), None) or abort(404)
        for action in suggestion.get("actions", []):
            _carry_out(records, action)
        support.accept(call, card, suggestion)
        return render_template("_done.html", message=f"Added: {suggestion['label']}", changed="diagnoses")

    @routes.post("/calls/<call_id>/override")
    def override(call_id: str) -> str:
        call, card = _card(support, call_id)
        code = request.form.get("reason", "")
        support.override(call, card, next((r for r in card.get("overrideReasons", []) if r.get("code") == code), None))
        return render_template("_done.html", message="Dismissed.", changed="card")

    @routes.get("/calls/<call_id>")
    def exchange(call_id: str) -> str:
        call = support.call(call_id) or abort(404)
        return render_template("exchange.html", call=call, sent=shortened(call.request), received=shortened(call.response))


def _launches(routes: Blueprint, site: Site, records: Records, support: DecisionSupport, grants: Grants) -> None:
    def launch(url: str, patient: str, encounter: str | None, app_context: str | None) -> AnyResponse:
        key = grants.launches.put(Launch(current_user(), patient, encounter, app_context))
        return redirect(f"{url}?{urlencode({'iss': site.fhir_url, 'launch': key})}")

    @routes.get("/calls/<call_id>/launch")
    def from_card(call_id: str) -> AnyResponse:
        """Launch the app of a card's SMART link; only the registered launch URL is followed."""
        call = support.call(call_id) or abort(404)
        card = call.card(request.args.get("card", "")) or abort(404)
        link = next((found for found in card.get("links", []) if found.get("type") == "smart" and found.get("url") == site.launch_url), None) or abort(404)
        return launch(link["url"], call.patient, call.encounter, link.get("appContext"))

    @routes.get("/patients/<patient>/launch")
    def from_chart(patient: str) -> AnyResponse:
        return launch(site.launch_url, patient, str(current_encounter(records, patient)["id"]), None)

    @routes.errorhandler(DemoError)
    def failed(error: DemoError) -> Response:
        return Response(render_template("_failure.html", message=error.message, remedy=error.remedy), status=502)


def _context(records: Records, patient: str) -> dict[str, Any]:
    return {"userId": f"Practitioner/{current_user()}", "patientId": patient, "encounterId": str(current_encounter(records, patient)["id"])}


def _order(records: Records, patient: str, reference: str) -> Resource:
    kind, _, identity = reference.partition("/")
    if kind not in ("ServiceRequest", "DeviceRequest") or not identity:
        abort(400)
    order = records.get(f"{kind}/{identity}")
    if order["subject"]["reference"] != f"Patient/{patient}":
        abort(404)
    return order


def _problem(patient: str, text: str, code: str) -> Resource:
    coding = {"coding": [{"system": ICD10CM, "code": code.strip().upper()}]} if code.strip() else {}
    return {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"system": f"{_CONDITION_CODES}/condition-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{_CONDITION_CODES}/condition-ver-status", "code": "confirmed"}]},
        "category": [{"coding": [{"system": f"{_CONDITION_CODES}/condition-category", "code": "problem-list-item"}]}],
        "code": coding | {"text": text.strip() or abort(400)},
        "subject": {"reference": f"Patient/{patient}"},
    }


def _bundle(resource: Resource) -> Resource:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}


def _cards_of(hook: str, calls: list[HookCall], **more: Any) -> str:
    return render_template("_cards.html", hook=hook, calls=calls, count=sum(len(call.cards) for call in calls), **more)


def _card(support: DecisionSupport, call_id: str) -> tuple[HookCall, dict[str, Any]]:
    call = support.call(call_id) or abort(404)
    return call, call.card(request.form.get("card", "")) or abort(404)


def _carry_out(records: Records, action: dict[str, Any]) -> None:
    """Do what an accepted suggestion says: create or update the resource that it carries."""
    match action.get("type"):
        case "create":
            records.create({key: value for key, value in action["resource"].items() if key != "id"})
        case "update":
            records.update(action["resource"])
        case _:
            abort(400)
