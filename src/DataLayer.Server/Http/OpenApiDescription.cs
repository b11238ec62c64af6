using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace DataLayer.Server.Http;

/// <summary>
/// Fills the OpenAPI document from the list of operations: the handlers are plain delegates that say nothing
/// themselves.
/// </summary>
internal sealed class OpenApiDescription(IReadOnlyList<ApiOperation> operations) : IOpenApiDocumentTransformer
{
    private const string Bearer = "bearer";

    /// <inheritdoc/>
    public async Task TransformAsync(
        OpenApiDocument document, OpenApiDocumentTransformerContext context, CancellationToken cancellationToken)
    {
        document.Info = new OpenApiInfo
        {
            Title = "DataLayer",
            Version = ProgramVersion.Text,
            Description =
                "One tree over object stores and fast disks. "
                + "Errors are application/problem+json with code, detail and remedy.",
        };
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes ??=
            new Dictionary<string, IOpenApiSecurityScheme>(StringComparer.Ordinal);
        document.Components.SecuritySchemes[Bearer] = new OpenApiSecurityScheme
        {
            Type = SecuritySchemeType.Http,
            Scheme = "bearer",
            Description = "A token of 'datalayer token create'. On loopback and the Unix socket none is needed.",
        };
        document.Paths = [];
        OpenApiSchema problem = await context.GetOrCreateSchemaAsync(
            typeof(Problem), cancellationToken: cancellationToken);
        foreach (
            IGrouping<string, ApiOperation> path in operations.GroupBy(o => o.OpenApiPath, StringComparer.Ordinal))
        {
            OpenApiPathItem item = new();
            foreach (ApiOperation operation in path)
            {
                item.AddOperation(
                    HttpMethod.Parse(operation.Method),
                    await DescribeAsync(document, operation, problem, context, cancellationToken));
            }

            document.Paths.Add(path.Key, item);
        }
    }

    private static async Task<OpenApiOperation> DescribeAsync(
        OpenApiDocument document, ApiOperation operation, OpenApiSchema problem,
        OpenApiDocumentTransformerContext context, CancellationToken cancellationToken)
    {
        OpenApiOperation described = new()
        {
            OperationId = operation.Id,
            Summary = operation.Summary,
            Description = Need(operation.Access),
            Tags = new HashSet<OpenApiTagReference> { new(operation.Tag) },
            Parameters = [],
            Responses = [],
        };
        if (operation.Access != ApiAccess.Anyone)
        {
            described.Security =
                [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(Bearer, document)] = [] }];
        }

        if (operation.Pattern.Contains("{**path}", StringComparison.Ordinal))
        {
            described.Parameters.Add(
                Describe(
                    new ApiParameter(
                        "path", ApiParameterPlace.Path, "string",
                        "The tree path without its first '/', each name percent-encoded.", Required: true)));
        }

        foreach (ApiParameter parameter in operation.Parameters)
        {
            described.Parameters.Add(Describe(parameter));
        }

        if (operation.Body is not null || operation.BodyMedia is not null)
        {
            IOpenApiSchema schema = operation.Body is null
                ? Binary()
                : await context.GetOrCreateSchemaAsync(operation.Body, cancellationToken: cancellationToken);
            described.RequestBody = new OpenApiRequestBody
            {
                Required = true,
                Content = new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal)
                {
                    [operation.BodyMedia ?? "application/json"] = new OpenApiMediaType { Schema = schema },
                },
            };
        }

        for (int i = 0; i < operation.Statuses.Count; i++)
        {
            OpenApiResponse response = new()
            {
                Description = Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(operation.Statuses[i]),
            };
            if (i == 0 && operation.Answer is { } answer)
            {
                IOpenApiSchema schema =
                    answer == typeof(Stream)
                        ? Binary()
                        : await context.GetOrCreateSchemaAsync(answer, cancellationToken: cancellationToken);
                response.Content = Media(operation.AnswerMedia, schema);
            }

            described.Responses.Add(
                operation.Statuses[i].ToString(System.Globalization.CultureInfo.InvariantCulture), response);
        }

        described.Responses.Add(
            "default",
            new OpenApiResponse { Description = "A problem.", Content = Media(ApiRoutes.ProblemMediaType, problem) });
        return described;
    }

    private static string Need(ApiAccess access) => access switch
    {
        ApiAccess.Anyone => "Wants no token.",
        ApiAccess.Caller => "Wants any token but a node's.",
        ApiAccess.Read => "Wants any token but a node's, with the path in its scope.",
        ApiAccess.Write => "Wants the role tenant or admin, with the path in the token's scope.",
        ApiAccess.Observe => "Wants the role admin, or reader without a scope.",
        ApiAccess.Peer => "Wants the role node or admin.",
        _ => "Wants the role admin.",
    };

    private static Dictionary<string, OpenApiMediaType> Media(string type, IOpenApiSchema schema) =>
        new(StringComparer.Ordinal) { [type] = new OpenApiMediaType { Schema = schema } };

    private static OpenApiSchema Binary() => new() { Type = JsonSchemaType.String, Format = "binary" };

    private static OpenApiParameter Describe(ApiParameter parameter) =>
        new()
        {
            Name = parameter.Name,
            In = parameter.Place switch
            {
                ApiParameterPlace.Path => ParameterLocation.Path,
                ApiParameterPlace.Query => ParameterLocation.Query,
                _ => ParameterLocation.Header,
            },
            Required = parameter.Required,
            Description = parameter.Summary,
            Schema = new OpenApiSchema
            {
                Type = parameter.Type switch
                {
                    "integer" => JsonSchemaType.Integer,
                    "boolean" => JsonSchemaType.Boolean,
                    _ => JsonSchemaType.String,
                },
            },
        };
}
