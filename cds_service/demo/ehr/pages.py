"""The EHR's pages: who is here today, and a patient's chart."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from cds_service.demo.ehr.chart import current_encounter, header, order_lines, problem_list, read_chart, visit_diagnoses
from cds_service.demo.ehr.fhir import Records
from cds_service.demo.ehr.person import change_user
from cds_service.demo.errors import DemoError
from cds_service.demo.patients import chart_folders


def blueprint(records: Records) -> Blueprint:
    """Return the pages."""
    pages = Blueprint("pages", __name__)
    shows = {folder.slug: folder.chart()["shows"] for folder in chart_folders()}

    @pages.get("/")
    def patients() -> str:
        encounters = sorted(records.all("Encounter"), key=lambda e: str(e["period"]["start"]))
        visits = {e["subject"]["reference"].removeprefix("Patient/"): e for e in encounters}  # the latest of each
        rows = [(header(p, visits[p["id"]]), visits[p["id"]], shows.get(p["id"], "")) for p in records.all("Patient", _sort="family") if p["id"] in visits]
        return render_template("patients.html", rows=rows)

    @pages.get("/patients/<patient>")
    def chart(patient: str) -> str:
        return render_template("chart.html", chart=read_chart(records, patient), shows=shows.get(patient, ""))

    @pages.get("/patients/<patient>/diagnoses")
    def diagnoses(patient: str) -> str:
        """The two lists alone, to be put in place after a suggestion was accepted."""
        found = records.all("Condition", patient=patient)
        of_visit = visit_diagnoses(found, current_encounter(records, patient)["id"])
        return render_template("_diagnoses.html", problems=problem_list(found), diagnoses=of_visit)

    @pages.get("/patients/<patient>/orders")
    def orders(patient: str) -> str:
        """The orders alone, to be put in place after one was signed."""
        found = [*records.all("ServiceRequest", patient=patient), *records.all("DeviceRequest", patient=patient)]
        return render_template("_orders.html", orders=order_lines(found), patient_id=patient)

    @pages.post("/user")
    def user() -> AnyResponse:
        change_user(request.form.get("user", ""))
        back = request.form.get("back", "")
        # Only a path of this EHR: never a redirect to where a parameter says.
        return redirect(back if back.startswith("/patients/") else url_for("pages.patients"), code=303)

    @pages.app_errorhandler(DemoError)
    def failed(error: DemoError) -> Response:
        status = error.status if error.status in (404, 410) else 502
        return Response(render_template("failure.html", message=error.message, remedy=error.remedy), status=status)

    return pages
