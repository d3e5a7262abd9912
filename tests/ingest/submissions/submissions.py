"""Builds submissions for tests that follow the DCC's schema."""

NAMESPACE = "http://www.mousephenotype.org/dcc/exportlibrary/datastructure/core/procedure"


def medium(parameter: str, *uris: str, associations: tuple[str, ...] = ()) -> str:
    ties = "".join(
        f'<parameterAssociation parameterID="{one}"><dim id="x" origin="top">1</dim></parameterAssociation>'
        for one in associations
    )
    values = "".join(
        f'<value incrementValue="{number}" URI="{uri}" fileType="image/dicom">{ties}</value>'
        for number, uri in enumerate(uris, start=1)
    )
    return f'<seriesMediaParameter parameterID="{parameter}">{values}</seriesMediaParameter>'


def observed(parameter: str, value: str) -> str:
    return f'<simpleParameter parameterID="{parameter}"><value>{value}</value></simpleParameter>'


def experiment(specimen: str, *parameters: str, procedure: str = "IMPC_XRY_001") -> str:
    return (
        f'<experiment experimentID="e-{specimen}" dateOfExperiment="2024-05-02">\n<specimenID>{specimen}</specimenID>\n'
        f'<procedure procedureID="{procedure}">\n' + "\n".join(parameters) + "\n</procedure>\n</experiment>"
    )


def submission(*experiments: str, centre: str = "J") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<centreProcedureSet xmlns="{NAMESPACE}">\n'
        f'<centre centreID="{centre}" pipeline="JAX_001" project="JAX">\n'
        + "\n".join(experiments)
        + "\n</centre>\n</centreProcedureSet>\n"
    )
