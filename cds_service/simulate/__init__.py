"""An EHR, played against any CDS service: hooks, signed tokens, prefetch out of a Bundle, a FHIR server, feedback."""

from cds_service.simulate.chart import Chart, sample_chart
from cds_service.simulate.ehr import UNSIGNED, Answer, Ehr
from cds_service.simulate.fhir_server import FhirServer
from cds_service.simulate.hook_calls import context_of, hook_call
from cds_service.simulate.signer import Signer

__all__ = ["UNSIGNED", "Answer", "Chart", "Ehr", "FhirServer", "Signer", "context_of", "hook_call", "sample_chart"]
